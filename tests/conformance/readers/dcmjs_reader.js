// What dcmjs reads from each DICOM ECG: a line of JSON a file. Amplitudes by PS3.3 C.10.9.1.4.2, in JavaScript.
const fs = require("fs");
const { data, log } = require("dcmjs");

log.setLevel("error");
for (const file of process.argv.slice(2)) {
  const content = fs.readFileSync(file);
  const bytes = content.buffer.slice(content.byteOffset, content.byteOffset + content.length);
  const object = data.DicomMetaDictionary.naturalizeDataset(data.DicomMessage.readFile(bytes).dict);
  const [group] = object.WaveformSequence;
  const channels = group.ChannelDefinitionSequence;
  const values = new (group.WaveformBitsAllocated === 32 ? Int32Array : Int16Array)(group.WaveformData[0]);
  const samples = channels.map((_, n) => Array.from(values.filter((_, i) => i % channels.length === n)));
  console.log(JSON.stringify({
    names: channels.map((channel) => channel.ChannelSourceSequence[0].CodeMeaning),
    labels: channels.map((channel) => channel.ChannelLabel),
    codes: channels.map((channel) => channel.ChannelSourceSequence[0].CodeValue),
    units: channels.map((channel) => channel.ChannelSensitivityUnitsSequence[0].CodeValue),
    frequency: Number(group.SamplingFrequency),
    patient: object.PatientID,
    samples,
    millivolts: channels.map((channel, n) => {
      const factor = channel.ChannelSensitivity * channel.ChannelSensitivityCorrectionFactor;
      return samples[n].map((sample) => sample * factor + Number(channel.ChannelBaseline));
    }),
  }));
}
