#include "cli/info_human.h"

#include <cstdint>
#include <string_view>
#include <variant>

#include "cli/byte_size.h"
#include "cli/info_json.h"
#include "cli/terminal_text.h"

namespace instar::cli {
namespace {

using vmm::ReportValue;

void Append(std::string& out, std::string_view label, std::string_view value) {
  out += label;
  out += ": ";
  out += value;
  out += '\n';
}

std::string SizeWithBytes(std::uint64_t bytes) {
  return HumanByteSize(bytes) + " (" + std::to_string(bytes) + " bytes)";
}

// The members of a report as lines "key: value", one level further in for what is inside them;
// words of keys are separated by spaces.
class TreePrinter {
 public:
  explicit TreePrinter(std::string& out) : out_(out) {}

  void Members(const ReportValue::Object& object, std::size_t level) {
    for (const auto& [key, value] : object) {
      std::string label = key;
      for (char& c : label) {
        if (c == '-') c = ' ';
      }
      Entry(TerminalText(label), value, level);
    }
  }

 private:
  void Items(const ReportValue::Array& array, std::size_t level) {
    for (std::size_t i = 0; i < array.size(); ++i) {
      Entry("[" + std::to_string(i) + "]", array[i], level);
    }
  }

  void Entry(const std::string& label, const ReportValue& value, std::size_t level) {
    out_.append(4 * level, ' ');
    out_ += label;
    out_ += ':';
    if (const auto* object = std::get_if<ReportValue::Object>(&value.storage())) {
      out_ += '\n';
      Members(*object, level + 1);
    } else if (const auto* array = std::get_if<ReportValue::Array>(&value.storage())) {
      out_ += '\n';
      Items(*array, level + 1);
    } else {
      out_ += ' ';
      out_ += Scalar(value);
      out_ += '\n';
    }
  }

  static std::string Scalar(const ReportValue& value) {
    if (const auto* number = std::get_if<std::uint64_t>(&value.storage())) {
      return std::to_string(*number);
    }
    if (const auto* number = std::get_if<std::int64_t>(&value.storage())) {
      return std::to_string(*number);
    }
    if (const auto* truth = std::get_if<bool>(&value.storage())) return *truth ? "true" : "false";
    if (const auto* text = std::get_if<std::string>(&value.storage())) return TerminalText(*text);
    return {};
  }

  std::string& out_;
};

void AppendBacking(std::string& out, const vmm::ImageInfo& image) {
  const std::string_view name = image.report.StringAt("backing-filename");
  if (name.empty()) return;
  std::string value = TerminalText(name);
  if (image.full_backing_filename != name) {
    value += " (actual path: " + TerminalText(image.full_backing_filename) + ")";
  }
  Append(out, "backing file", value);
  const std::string_view format = image.report.StringAt("backing-filename-format");
  if (!format.empty()) Append(out, "backing file format", TerminalText(format));
}

void AppendPartitions(std::string& out, const ReportValue& report) {
  const ReportValue* table = report.Find("partition-table");
  const ReportValue* partitions = table == nullptr ? nullptr : table->Find("partitions");
  const auto* list =
      partitions == nullptr ? nullptr : std::get_if<ReportValue::Array>(&partitions->storage());
  if (list == nullptr) return;
  Append(out, "partition table", TerminalText(table->StringAt("type")));
  for (const ReportValue& partition : *list) {
    Append(out, "    " + std::to_string(partition.UnsignedAt("number")),
           "type " + TerminalText(partition.StringAt("type")) + ", " +
               SizeWithBytes(partition.UnsignedAt("length")) + " from byte " +
               std::to_string(partition.UnsignedAt("start")));
  }
}

void AppendImage(std::string& out, const vmm::ImageInfo& image, QemuVersion version) {
  const ReportValue& report = image.report;
  Append(out, "image", TerminalText(image.filename));
  Append(out, "file format", TerminalText(report.StringAt("format")));
  Append(out, "virtual size", SizeWithBytes(report.UnsignedAt("virtual-size")));
  Append(out, "disk size", HumanByteSize(image.actual_size));
  if (report.BooleanAt("encrypted")) Append(out, "encrypted", "yes");
  if (report.Find("cluster-size") != nullptr) {
    Append(out, "cluster_size", std::to_string(report.UnsignedAt("cluster-size")));
  }
  if (report.BooleanAt("dirty-flag")) Append(out, "cleanly shut down", "no");
  AppendBacking(out, image);
  if (const ReportValue* snapshots = report.Find("snapshots")) {
    if (const auto* list = std::get_if<ReportValue::Array>(&snapshots->storage());
        list != nullptr && !list->empty()) {
      out += SnapshotTable(*list, version);
    }
  }
  if (const ReportValue* specific = report.Find("format-specific")) {
    const ReportValue* data = specific->Find("data");
    const auto* members =
        data == nullptr ? nullptr : std::get_if<ReportValue::Object>(&data->storage());
    if (members != nullptr && !members->empty()) {
      out += "Format specific information:\n";
      TreePrinter(out).Members(*members, 1);
    }
  }
  AppendPartitions(out, report);
  if (version >= kChildNodes && !IsBareFile(image)) {
    out += "Child node '/file':\n";
    Append(out, "    filename", TerminalText(image.file_path));
    Append(out, "    protocol type", "file");
    Append(out, "    file length", SizeWithBytes(WholeSectors(image.file_size)));
    Append(out, "    disk size", HumanByteSize(image.actual_size));
  }
}

}  // namespace

std::string InfoText(std::span<const vmm::ImageInfo> images, QemuVersion version) {
  std::string out;
  for (const vmm::ImageInfo& image : images) {
    if (!out.empty()) out += '\n';
    AppendImage(out, image, version);
  }
  return out;
}

}  // namespace instar::cli
