#include "cli/info_json.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/byte_size.h"
#include "cli/json_text.h"

namespace instar::cli {
namespace {

using vmm::ReportValue;
using Object = ReportValue::Object;

// qemu-img prints members in an order of its own, the same in every release: programs that look at
// the text instead of parsing it have come to depend on it.
constexpr std::array<std::string_view, 13> kImageOrder = {
    "children",        "backing-filename-format",
    "snapshots",       "virtual-size",
    "filename",        "cluster-size",
    "format",          "actual-size",
    "format-specific", "full-backing-filename",
    "encrypted",       "backing-filename",
    "dirty-flag",
};
constexpr std::array<std::string_view, 8> kSnapshotOrder = {
    "icount",    "vm-clock-nsec", "name", "date-sec",
    "date-nsec", "vm-clock-sec",  "id",   "vm-state-size",
};

// Sorts members into `order`; those it does not mention stay behind, in the order they had.
void Arrange(Object& object, std::span<const std::string_view> order) {
  std::stable_sort(object.begin(), object.end(), [order](const auto& a, const auto& b) {
    return std::ranges::find(order, a.first) < std::ranges::find(order, b.first);
  });
}

Object MakeObject(std::initializer_list<std::pair<std::string_view, ReportValue>> members) {
  Object object;
  for (const auto& [key, value] : members) object.emplace_back(std::string(key), value);
  return object;
}

ReportValue Text(std::string_view text) { return ReportValue(std::string(text)); }

ReportValue EmptyFormatSpecific(std::string_view type) {
  return ReportValue(MakeObject({{"type", Text(type)}, {"data", ReportValue(Object{})}}));
}

// The node that stands for the file itself, below the one for the format.
ReportValue FileChild(const vmm::ImageInfo& image) {
  Object info = MakeObject({
      {"children", ReportValue(ReportValue::Array{})},
      {"virtual-size", ReportValue(WholeSectors(image.file_size))},
      {"filename", Text(image.file_path)},
      {"format", Text("file")},
      {"actual-size", ReportValue(image.actual_size)},
      {"format-specific", EmptyFormatSpecific("file")},
      {"dirty-flag", ReportValue(false)},
  });
  return ReportValue(MakeObject({{"name", Text("file")}, {"info", ReportValue(std::move(info))}}));
}

void ArrangeSnapshots(ReportValue& snapshots) {
  auto* list = std::get_if<ReportValue::Array>(&snapshots.storage());
  if (list == nullptr) return;
  for (ReportValue& snapshot : *list) {
    if (auto* members = std::get_if<Object>(&snapshot.storage())) Arrange(*members, kSnapshotOrder);
  }
}

ReportValue Image(const vmm::ImageInfo& image, QemuVersion version) {
  Object members;
  if (const auto* reported = std::get_if<Object>(&image.report.storage())) {
    for (const auto& [key, value] : *reported) {
      // "device" ties the report to a file and is not for the user.
      if (key == "device") continue;
      members.emplace_back(key, value);
      if (key == "snapshots") ArrangeSnapshots(members.back().second);
    }
  }
  members.emplace_back("filename", Text(image.filename));
  members.emplace_back("actual-size", ReportValue(image.actual_size));
  if (!image.full_backing_filename.empty()) {
    members.emplace_back("full-backing-filename", Text(image.full_backing_filename));
  }
  if (image.report.Find("dirty-flag") == nullptr) {
    members.emplace_back("dirty-flag", ReportValue(false));
  }
  if (version >= kChildNodes) {
    ReportValue::Array children;
    if (IsBareFile(image)) {
      members.emplace_back("format-specific", EmptyFormatSpecific(image.report.StringAt("format")));
    } else {
      children.push_back(FileChild(image));
    }
    members.emplace_back("children", ReportValue(std::move(children)));
  }
  Arrange(members, kImageOrder);
  return ReportValue(std::move(members));
}

}  // namespace

bool IsBareFile(const vmm::ImageInfo& image) {
  const std::string_view format = image.report.StringAt("format");
  return format == "file" || format == "host_device";
}

std::string InfoJson(std::span<const vmm::ImageInfo> images, bool chain, QemuVersion version) {
  ReportValue::Array all;
  for (const vmm::ImageInfo& image : images) all.push_back(Image(image, version));
  if (!chain) return JsonText(all.front()) + '\n';
  return JsonText(ReportValue(std::move(all))) + '\n';
}

}  // namespace instar::cli
