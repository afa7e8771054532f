#include "cli/info_json.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "cli/byte_size.h"
#include "cli/json_text.h"

namespace instar::cli {
namespace {

using vmm::ReportTree;

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

using Members = std::vector<vmm::ReportMember>;

// The members of `object` in `order`; those it does not mention stay behind, in the order they had.
Members Arranged(const ReportTree& object, std::span<const std::string_view> order) {
  Members members;
  for (const vmm::ReportMember& member : object.members()) members.push_back(member);
  std::ranges::stable_sort(members, {}, [order](const vmm::ReportMember& member) {
    return std::ranges::find(order, member.key) - order.begin();
  });
  return members;
}

void WriteEmptyFormatSpecific(JsonWriter& json, std::string_view type) {
  json.BeginObject("format-specific");
  json.String("type", type);
  json.BeginObject("data");
  json.EndObject();
  json.EndObject();
}

// The node that stands for the file itself, below the one for the format.
void WriteFileChild(JsonWriter& json, const vmm::ImageInfo& image) {
  json.BeginObject({});
  json.String("name", "file");
  json.BeginObject("info");
  json.BeginArray("children");
  json.EndArray();
  json.Unsigned("virtual-size", WholeSectors(image.file_size));
  json.String("filename", image.file_path);
  json.String("format", "file");
  json.Unsigned("actual-size", image.actual_size);
  WriteEmptyFormatSpecific(json, "file");
  json.Boolean("dirty-flag", false);
  json.EndObject();
  json.EndObject();
}

void WriteSnapshots(JsonWriter& json, std::string_view name, const ReportTree& snapshots) {
  json.BeginArray(name);
  for (const auto& [none, snapshot] : snapshots.members()) {
    if (snapshot.kind() != ReportTree::Kind::kObject) {
      json.Value({}, snapshot);
      continue;
    }
    json.BeginObject({});
    for (const auto& [key, value] : Arranged(snapshot, kSnapshotOrder)) json.Value(key, value);
    json.EndObject();
  }
  json.EndArray();
}

void WriteReported(JsonWriter& json, std::string_view key, const ReportTree& value) {
  if (key == "snapshots" && value.kind() == ReportTree::Kind::kArray) {
    WriteSnapshots(json, key, value);
  } else {
    json.Value(key, value);
  }
}

// Writes the member `key` if it is one that the host sets.
bool WriteOwnMember(JsonWriter& json, std::string_view key, const vmm::ImageInfo& image,
                    QemuVersion version) {
  if (key == "filename") {
    json.String(key, image.filename);
  } else if (key == "actual-size") {
    json.Unsigned(key, image.actual_size);
  } else if (key == "full-backing-filename") {
    if (!image.full_backing_filename.empty()) json.String(key, image.full_backing_filename);
  } else if (key == "children") {
    if (version < kChildNodes) return true;
    json.BeginArray(key);
    if (!IsBareFile(image)) WriteFileChild(json, image);
    json.EndArray();
  } else if (key == "format-specific" && version >= kChildNodes && IsBareFile(image)) {
    WriteEmptyFormatSpecific(json, image.report.StringAt("format"));
  } else {
    return false;
  }
  return true;
}

const char* KindInJson(vmm::ReferenceKind kind) {
  switch (kind) {
    case vmm::ReferenceKind::kBackingFile:
      return "backing-file";
    case vmm::ReferenceKind::kDataFile:
      return "data-file";
    case vmm::ReferenceKind::kExtent:
      return "extent";
  }
  return "";
}

void WriteReferences(JsonWriter& json, std::span<const vmm::OpenedReference> opened) {
  json.BeginArray("opened-references");
  for (const vmm::OpenedReference& reference : opened) {
    json.BeginObject({});
    json.String("kind", KindInJson(reference.kind));
    json.String("filename", reference.path);
    json.String("named-by", reference.image);
    json.EndObject();
  }
  json.EndArray();
}

void WriteImage(JsonWriter& json, const vmm::ImageInfo& image,
                std::span<const vmm::OpenedReference> opened, QemuVersion version) {
  const Members reported = Arranged(image.report, kImageOrder);
  auto next = reported.begin();
  json.BeginObject({});
  for (const std::string_view key : kImageOrder) {
    const bool told = next != reported.end() && next->key == key;
    if (!WriteOwnMember(json, key, image, version)) {
      if (told) {
        WriteReported(json, key, next->value);
      } else if (key == "dirty-flag") {
        json.Boolean(key, false);
      }
    }
    if (told) ++next;
  }
  for (; next != reported.end(); ++next) {
    // "device" ties the report to a file and is not for the user; of "unfit-footer" there is a
    // warning.
    if (next->key == "device" || next->key == "unfit-footer") continue;
    json.Value(next->key, next->value);
  }
  if (!opened.empty()) WriteReferences(json, opened);
  json.EndObject();
}

}  // namespace

bool IsBareFile(const vmm::ImageInfo& image) {
  const std::string_view format = image.report.StringAt("format");
  return format == "file" || format == "host_device";
}

void WriteInfoJson(std::span<const vmm::ImageInfo> images,
                   std::span<const vmm::OpenedReference> opened, bool chain, QemuVersion version,
                   TextOutput& out) {
  JsonWriter json(out);
  if (chain) json.BeginArray({});
  WriteImage(json, images.front(), opened, version);
  if (chain) {
    for (const vmm::ImageInfo& image : images.subspan(1)) WriteImage(json, image, {}, version);
    json.EndArray();
  }
  out.Add('\n');
}

void WriteSnapshotsJson(const vmm::ReportTree& snapshots, TextOutput& out) {
  JsonWriter json(out);
  WriteSnapshots(json, {}, snapshots);
  out.Add('\n');
}

}  // namespace instar::cli
