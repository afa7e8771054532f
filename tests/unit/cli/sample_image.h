// An image as `info` gets it, for tests of what is printed.
#ifndef TESTS_UNIT_CLI_SAMPLE_IMAGE_H_
#define TESTS_UNIT_CLI_SAMPLE_IMAGE_H_

#include <string_view>

#include "formats/base/report_sink.h"
#include "instar/vmm/info.h"
#include "support/report_of.h"

namespace instar::cli {

inline void TellSnapshot(ReportSink& sink) {
  sink.BeginObject({});
  sink.String("id", "1");
  sink.String("name", "before \x1b[2J");
  sink.Unsigned("vm-state-size", 3 << 20);
  sink.Unsigned("date-sec", 1700000000);
  sink.Unsigned("date-nsec", 5);
  sink.Unsigned("vm-clock-sec", 3723);
  sink.Unsigned("vm-clock-nsec", 45'000'000);
  sink.Unsigned("icount", 7);
  sink.EndObject();
}

inline void TellSampleImage(ReportSink& sink) {
  sink.Unsigned("device", 0);
  sink.String("format", "qcow2");
  sink.Unsigned("virtual-size", 10485760);
  sink.Unsigned("cluster-size", 65536);
  sink.String("backing-filename", "base.qcow2");
  sink.String("backing-filename-format", "qcow2");
  sink.BeginArray("snapshots");
  TellSnapshot(sink);
  sink.EndArray();
  sink.BeginObject("format-specific");
  sink.String("type", "qcow2");
  sink.BeginObject("data");
  sink.String("compat", "1.1");
  sink.String("compression-type", "zlib");
  sink.BeginArray("bitmaps");
  sink.BeginObject({});
  sink.BeginArray("flags");
  sink.String({}, "auto");
  sink.EndArray();
  sink.String("name", "b0");
  sink.Unsigned("granularity", 65536);
  sink.EndObject();
  sink.EndArray();
  sink.Boolean("corrupt", false);
  sink.EndObject();
  sink.EndObject();
  sink.Boolean("encrypted", true);
  sink.Boolean("dirty-flag", true);
}

// A qcow2 overlay with a snapshot and a bitmap.
inline vmm::ImageInfo SampleImage() {
  vmm::ImageInfo image;
  image.filename = image.file_path = "dir/top.qcow2";
  image.actual_size = 225280;
  image.file_size = 196672;
  image.full_backing_filename = "dir/base.qcow2";
  image.report = vmm::ReportOf(TellSampleImage);
  return image;
}

// A raw image, whose format is called `format`.
inline vmm::ImageInfo SampleRawImage(std::string_view format = "raw") {
  vmm::ImageInfo image;
  image.filename = image.file_path = "r.raw";
  image.actual_size = 4096;
  image.file_size = 1000;
  image.report = vmm::ReportOf([format](ReportSink& sink) {
    sink.Unsigned("device", 1);
    sink.String("format", format);
    sink.Unsigned("virtual-size", 1024);
  });
  return image;
}

}  // namespace instar::cli

#endif  // TESTS_UNIT_CLI_SAMPLE_IMAGE_H_
