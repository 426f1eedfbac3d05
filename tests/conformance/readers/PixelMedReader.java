import com.pixelmed.dicom.DicomInputStream;
import com.pixelmed.displaywave.DicomSourceECG;
import java.io.File;
import java.util.Arrays;

/** What PixelMed reads from each DICOM ECG: a line of JSON a file. */
public class PixelMedReader {
    public static void main(String[] files) throws Exception {
        for (String file : files) {
            try (DicomInputStream stream = new DicomInputStream(new File(file))) {
                DicomSourceECG ecg = new DicomSourceECG(stream);
                StringBuilder names = new StringBuilder();
                for (String name : ecg.getChannelNames()) {
                    names.append(names.length() == 0 ? "\"" : ",\"").append(name).append("\"");
                }
                System.out.println("{\"names\":[" + names + "],\"milliseconds\":" + ecg.getSamplingIntervalInMilliSeconds()
                    + ",\"millivolts\":" + Arrays.toString(ecg.getAmplitudeScalingFactorInMilliVolts())
                    + ",\"samples\":" + Arrays.deepToString(ecg.getSamples()) + "}");
            }
        }
    }
}
