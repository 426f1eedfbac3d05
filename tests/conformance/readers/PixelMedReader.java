import com.pixelmed.dicom.Attribute;
import com.pixelmed.dicom.AttributeList;
import com.pixelmed.dicom.TagFromName;
import com.pixelmed.displaywave.DicomSourceECG;
import java.io.File;
import java.util.Arrays;

/** What PixelMed reads from each DICOM ECG: a line of JSON a file. It has no baseline: amplitudes are counts × factor. */
public class PixelMedReader {
    public static void main(String[] files) throws Exception {
        for (String file : files) {
            AttributeList object = new AttributeList();
            object.read(new File(file));
            DicomSourceECG ecg = new DicomSourceECG(object);
            float[] factors = ecg.getAmplitudeScalingFactorInMilliVolts();
            short[][] samples = ecg.getSamples();
            double[][] millivolts = new double[samples.length][];
            StringBuilder names = new StringBuilder();
            for (int channel = 0; channel < samples.length; channel++) {
                names.append(channel == 0 ? "\"" : ",\"").append(ecg.getChannelNames()[channel]).append("\"");
                millivolts[channel] = new double[samples[channel].length];
                for (int i = 0; i < samples[channel].length; i++) {
                    millivolts[channel][i] = samples[channel][i] * (double) factors[channel];
                }
            }
            System.out.println("{\"names\":[" + names + "],\"frequency\":" + 1000 / ecg.getSamplingIntervalInMilliSeconds()
                + ",\"patient\":\"" + Attribute.getSingleStringValueOrNull(object, TagFromName.PatientID)
                + "\",\"samples\":" + Arrays.deepToString(samples)
                + ",\"millivolts\":" + Arrays.deepToString(millivolts) + "}");
        }
    }
}
