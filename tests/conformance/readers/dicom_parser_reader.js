// What dicom-parser reads from each DICOM ECG: a line of JSON a file. Amplitudes by PS3.3 C.10.9.1.4.2, in JavaScript.
const fs = require("fs");
const { parseDicom } = require("dicom-parser");

for (const file of process.argv.slice(2)) {
  const object = parseDicom(new Uint8Array(fs.readFileSync(file)));
  const group = object.elements.x54000100.items[0].dataSet;
  const channels = group.elements.x003a0200.items.map((item) => item.dataSet);
  const { dataOffset, length } = group.elements.x54001010;
  const bytes = group.byteArray.slice(dataOffset, dataOffset + length).buffer;
  const values = new (group.uint16("x54001004") === 32 ? Int32Array : Int16Array)(bytes);
  const samples = channels.map((_, n) => Array.from(values.filter((_, i) => i % channels.length === n)));
  console.log(JSON.stringify({
    names: channels.map((channel) => channel.elements.x003a0208.items[0].dataSet.string("x00080104")),
    labels: channels.map((channel) => channel.string("x003a0203")),
    frequency: group.floatString("x003a001a"),
    patient: object.string("x00100020"),
    samples,
    millivolts: channels.map((channel, n) => {
      const factor = channel.floatString("x003a0210") * channel.floatString("x003a0212");
      return samples[n].map((sample) => sample * factor + channel.floatString("x003a0213"));
    }),
  }));
}
