#include "cli/info_human.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/byte_size.h"
#include "cli/info_json.h"
#include "cli/terminal_text.h"

namespace instar::cli {
namespace {

using vmm::ReportTree;

void AddLine(TextOutput& out, std::string_view label, std::string_view value) {
  out.Add(label);
  out.Add(": ");
  out.Add(value);
  out.Add('\n');
}

std::string SizeWithBytes(std::uint64_t bytes) {
  return HumanByteSize(bytes) + " (" + std::to_string(bytes) + " bytes)";
}

// The members of a report as lines "key: value", one level further in for what is inside them;
// words of keys are separated by spaces.
class TreePrinter {
 public:
  explicit TreePrinter(TextOutput& out) : out_(out) {}

  void Members(const ReportTree& object, std::size_t level) {
    for (const auto& [key, value] : object.members()) {
      std::string label(key);
      for (char& c : label) {
        if (c == '-') c = ' ';
      }
      Entry(TerminalText(label), value, level);
    }
  }

 private:
  void Items(const ReportTree& array, std::size_t level) {
    std::size_t i = 0;
    for (const auto& [none, item] : array.members()) {
      Entry("[" + std::to_string(i++) + "]", item, level);
    }
  }

  void Entry(const std::string& label, const ReportTree& value, std::size_t level) {
    if (out_.failed()) return;
    out_.AddSpaces(4 * level);
    out_.Add(label);
    out_.Add(':');
    switch (value.kind()) {
      case ReportTree::Kind::kObject:
        out_.Add('\n');
        return Members(value, level + 1);
      case ReportTree::Kind::kArray:
        out_.Add('\n');
        return Items(value, level + 1);
      case ReportTree::Kind::kUnsigned:
        out_.Add(' ');
        out_.AddNumber(*value.AsUnsigned());
        break;
      case ReportTree::Kind::kSigned:
        out_.Add(' ');
        out_.AddNumber(*value.AsSigned());
        break;
      case ReportTree::Kind::kBoolean:
        out_.Add(*value.AsBoolean() ? " true" : " false");
        break;
      case ReportTree::Kind::kString:
        out_.Add(' ');
        out_.Add(TerminalText(*value.AsString()));
        break;
    }
    out_.Add('\n');
  }

  TextOutput& out_;
};

void AddBacking(TextOutput& out, const vmm::ImageInfo& image) {
  const std::string_view name = image.report.StringAt("backing-filename");
  if (name.empty()) return;
  std::string value = TerminalText(name);
  if (image.full_backing_filename != name) {
    value += " (actual path: " + TerminalText(image.full_backing_filename) + ")";
  }
  AddLine(out, "backing file", value);
  const std::string_view format = image.report.StringAt("backing-filename-format");
  if (!format.empty()) AddLine(out, "backing file format", TerminalText(format));
}

void AddPartitions(TextOutput& out, const ReportTree& report) {
  const auto table = report.Find("partition-table");
  const auto partitions = table ? table->Find("partitions") : std::nullopt;
  if (!partitions || partitions->kind() != ReportTree::Kind::kArray) return;
  AddLine(out, "partition table", TerminalText(table->StringAt("type")));
  for (const auto& [none, partition] : partitions->members()) {
    if (out.failed()) return;
    AddLine(out, "    " + std::to_string(partition.UnsignedAt("number")),
            "type " + TerminalText(partition.StringAt("type")) + ", " +
                SizeWithBytes(partition.UnsignedAt("length")) + " from byte " +
                std::to_string(partition.UnsignedAt("start")));
  }
}

void AddImage(TextOutput& out, const vmm::ImageInfo& image, QemuVersion version) {
  const ReportTree& report = image.report;
  AddLine(out, "image", TerminalText(image.filename));
  AddLine(out, "file format", TerminalText(report.StringAt("format")));
  AddLine(out, "virtual size", SizeWithBytes(report.UnsignedAt("virtual-size")));
  AddLine(out, "disk size", HumanByteSize(image.actual_size));
  if (report.BooleanAt("encrypted")) AddLine(out, "encrypted", "yes");
  if (report.Find("cluster-size")) {
    AddLine(out, "cluster_size", std::to_string(report.UnsignedAt("cluster-size")));
  }
  if (report.BooleanAt("dirty-flag")) AddLine(out, "cleanly shut down", "no");
  AddBacking(out, image);
  if (const auto snapshots = report.Find("snapshots");
      snapshots && snapshots->kind() == ReportTree::Kind::kArray && !snapshots->members().empty()) {
    WriteSnapshotTable(*snapshots, version, out);
  }
  const auto specific = report.Find("format-specific");
  const auto data = specific ? specific->Find("data") : std::nullopt;
  if (data && data->kind() == ReportTree::Kind::kObject && !data->members().empty()) {
    out.Add("Format specific information:\n");
    TreePrinter(out).Members(*data, 1);
  }
  AddPartitions(out, report);
  if (version >= kChildNodes && !IsBareFile(image)) {
    out.Add("Child node '/file':\n");
    AddLine(out, "    filename", TerminalText(image.file_path));
    AddLine(out, "    protocol type", "file");
    AddLine(out, "    file length", SizeWithBytes(WholeSectors(image.file_size)));
    AddLine(out, "    disk size", HumanByteSize(image.actual_size));
  }
}

}  // namespace

void WriteInfoText(std::span<const vmm::ImageInfo> images, QemuVersion version, TextOutput& out) {
  bool first = true;
  for (const vmm::ImageInfo& image : images) {
    if (!first) out.Add('\n');
    first = false;
    AddImage(out, image, version);
  }
}

}  // namespace instar::cli
