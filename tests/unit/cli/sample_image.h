// An image as `info` gets it, for tests of what is printed.
#ifndef TESTS_UNIT_CLI_SAMPLE_IMAGE_H_
#define TESTS_UNIT_CLI_SAMPLE_IMAGE_H_

#include <string>
#include <tuple>
#include <utility>

#include "instar/vmm/info.h"

namespace instar::cli {

// Appends a member, made in its place.
template <typename T>
void Add(vmm::ReportValue::Object& object, const char* key, T value) {
  object.emplace_back(std::piecewise_construct, std::forward_as_tuple(key),
                      std::forward_as_tuple(std::move(value)));
}
inline void Add(vmm::ReportValue::Object& object, const char* key, const char* text) {
  Add(object, key, std::string(text));
}

inline vmm::ReportValue SampleSnapshot() {
  vmm::ReportValue::Object snapshot;
  Add(snapshot, "id", "1");
  Add(snapshot, "name", "before \x1b[2J");
  Add(snapshot, "vm-state-size", std::uint64_t{3 << 20});
  Add(snapshot, "date-sec", std::uint64_t{1700000000});
  Add(snapshot, "date-nsec", std::uint64_t{5});
  Add(snapshot, "vm-clock-sec", std::uint64_t{3723});
  Add(snapshot, "vm-clock-nsec", std::uint64_t{45'000'000});
  Add(snapshot, "icount", std::uint64_t{7});
  return vmm::ReportValue(std::move(snapshot));
}

// A qcow2 overlay with a snapshot and a bitmap.
inline vmm::ImageInfo SampleImage() {
  vmm::ReportValue::Object bitmap;
  Add(bitmap, "flags", vmm::ReportValue::Array{vmm::ReportValue(std::string("auto"))});
  Add(bitmap, "name", "b0");
  Add(bitmap, "granularity", std::uint64_t{65536});
  vmm::ReportValue::Object data;
  Add(data, "compat", "1.1");
  Add(data, "compression-type", "zlib");
  Add(data, "bitmaps", vmm::ReportValue::Array{vmm::ReportValue(std::move(bitmap))});
  Add(data, "corrupt", false);
  vmm::ReportValue::Object specific;
  Add(specific, "type", "qcow2");
  Add(specific, "data", std::move(data));
  vmm::ReportValue::Object report;
  Add(report, "device", std::uint64_t{0});
  Add(report, "format", "qcow2");
  Add(report, "virtual-size", std::uint64_t{10485760});
  Add(report, "cluster-size", std::uint64_t{65536});
  Add(report, "backing-filename", "base.qcow2");
  Add(report, "backing-filename-format", "qcow2");
  Add(report, "snapshots", vmm::ReportValue::Array{SampleSnapshot()});
  Add(report, "format-specific", std::move(specific));
  Add(report, "encrypted", true);
  Add(report, "dirty-flag", true);
  vmm::ImageInfo image;
  image.filename = image.file_path = "dir/top.qcow2";
  image.actual_size = 225280;
  image.file_size = 196672;
  image.full_backing_filename = "dir/base.qcow2";
  image.report = vmm::ReportValue(std::move(report));
  return image;
}

inline vmm::ImageInfo SampleRawImage() {
  vmm::ReportValue::Object report;
  Add(report, "device", std::uint64_t{1});
  Add(report, "format", "raw");
  Add(report, "virtual-size", std::uint64_t{1024});
  vmm::ImageInfo image;
  image.filename = image.file_path = "r.raw";
  image.actual_size = 4096;
  image.file_size = 1000;
  image.report = vmm::ReportValue(std::move(report));
  return image;
}

}  // namespace instar::cli

#endif  // TESTS_UNIT_CLI_SAMPLE_IMAGE_H_
