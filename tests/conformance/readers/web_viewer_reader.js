// What ecg-dicom-web-viewer reads from each DICOM ECG, without drawing it: a line of JSON a file.
const fs = require("fs");

// It puts style sheets into the page when it is loaded; here there is no page.
const nothing = new Proxy(function () {}, { get: (_, name) => (name === Symbol.toPrimitive ? () => "" : nothing), apply: () => nothing });
Object.assign(globalThis, { self: globalThis, window: globalThis, document: nothing });
console.debug = () => {};
const { ReadECG } = require("ecg-dicom-web-viewer");

for (const file of process.argv.slice(2)) {
  const content = fs.readFileSync(file);
  const bytes = content.buffer.slice(content.byteOffset, content.byteOffset + content.length);
  try {
    const read = new ReadECG(bytes, "", { applyLowPassFilter: false });
    const { leads, samplingFrequency } = read.getWaveform();
    console.log(JSON.stringify({
      names: leads.map((lead) => lead.source),
      frequency: samplingFrequency,
      patient: read.getElement("PatientID"),
      millivolts: leads.map((lead) => lead.signal),
    }));
  } catch (error) {
    console.log(JSON.stringify({ refused: error.message }));
  }
}
