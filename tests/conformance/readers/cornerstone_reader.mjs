// What Cornerstone3D makes of each DICOM ECG, from its parser to the scale of its ECG viewport: a line of JSON a file.
import fs from "node:fs";
import { Enums, metaData, registerDefaultProviders } from "@cornerstonejs/metadata";
import {
  computeECGRenderMetrics, getDefaultECGValueRange, getVisibleECGChannels, loadECGWaveform,
} from "@cornerstonejs/core/utilities/ECGUtilities";

const CANVAS = { clientWidth: 1200, clientHeight: 800 };

registerDefaultProviders();
for (const file of process.argv.slice(2)) {
  const id = `file:${file}`;
  await metaData.addTyped(Enums.MetadataModules.NATURALIZED, id, { part10: new Uint8Array(fs.readFileSync(file)) });
  const { waveform, calibration } = await loadECGWaveform(id);
  const channels = getVisibleECGChannels(waveform.channels);
  const [{ physicalDeltaY, physicalDeltaX }] = calibration.sequenceOfUltrasoundRegions;
  const metrics = computeECGRenderMetrics({
    canvas: CANVAS,
    visibleChannels: channels,
    windowMs: (1000 * waveform.numberOfSamples) / waveform.samplingFrequency,
    valueRange: getDefaultECGValueRange(waveform),
  });
  console.log(JSON.stringify({
    names: channels.map((channel) => channel.name),
    frequency: 1 / physicalDeltaX,
    patient: metaData.get(Enums.MetadataModules.NATURALIZED, id).PatientID,
    samples: channels.map((channel) => Array.from(channel.data)),
    // Its measuring tool multiplies counts, which it calls mV; see getCalibratedLengthUnitsAndScale of its tools.
    millivolts: channels.map((channel) => Array.from(channel.data, (count) => count * physicalDeltaY)),
    pixelsPerCount: metrics.channelScale * metrics.worldToCanvasRatio,
  }));
}
