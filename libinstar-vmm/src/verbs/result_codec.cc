#include "verbs/result_codec.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "instar/report.h"
#include "instar/wire.h"
#include "report/report_builder.h"

namespace instar::vmm {
namespace {

enum class ResultTag : std::uint32_t {
  kIsolation = 1,  // 8 bytes
  kWarning = 2,    // text
  // One of each for each image, in this order:
  kFilename = 3,             // text; begins the image
  kFilePath = 4,             // text
  kActualSize = 5,           // 8 bytes
  kFileSize = 6,             // 8 bytes
  kFullBackingFilename = 7,  // text
  kReport = 8,               // records as of instar/report.h, one object
};

constexpr std::uint32_t Tag(ResultTag tag) { return static_cast<std::uint32_t>(tag); }
constexpr std::uint32_t Tag(ReportTag tag) { return static_cast<std::uint32_t>(tag); }

// Appends a report's value as the records a guest would emit for it.
class TreeEncoder {
 public:
  explicit TreeEncoder(WireWriter& writer) : writer_(writer) {}

  void Value(const ReportValue& value) { std::visit(*this, value.storage()); }
  void operator()(std::uint64_t number) { writer_.Unsigned(Tag(ReportTag::kUnsigned), number); }
  void operator()(std::int64_t number) {
    writer_.Unsigned(Tag(ReportTag::kSigned), static_cast<std::uint64_t>(number));
  }
  void operator()(bool truth) { writer_.Unsigned(Tag(ReportTag::kBoolean), truth ? 1 : 0); }
  void operator()(const std::string& text) { writer_.Text(Tag(ReportTag::kString), text); }
  void operator()(const ReportValue::Array& array) {
    writer_.Bytes(Tag(ReportTag::kBeginArray), {});
    for (const ReportValue& item : array) Value(item);
    writer_.Bytes(Tag(ReportTag::kEndArray), {});
  }
  void operator()(const ReportValue::Object& object) {
    writer_.Bytes(Tag(ReportTag::kBeginObject), {});
    for (const auto& [key, item] : object) {
      writer_.Text(Tag(ReportTag::kKey), key);
      Value(item);
    }
    writer_.Bytes(Tag(ReportTag::kEndObject), {});
  }

 private:
  WireWriter& writer_;
};

absl::Status Malformed() { return absl::InternalError("the sandboxed process sent nonsense"); }

std::optional<Isolation> DecodeIsolation(const WireField& field) {
  const auto number = field.AsUnsigned();
  if (!number) return std::nullopt;
  for (const Isolation isolation : {Isolation::kKvm, Isolation::kProcess, Isolation::kInline}) {
    if (*number == static_cast<std::uint64_t>(isolation)) return isolation;
  }
  return std::nullopt;
}

std::optional<ReportValue> DecodeTree(std::span<const std::byte> records) {
  ReportBuilder builder;
  if (builder.Accept(records) != ReportBuilder::Verdict::kAccepted) return std::nullopt;
  auto values = builder.Take();
  if (!values || values->size() != 1) return std::nullopt;
  return std::move(values->front());
}

// Puts an image together from its fields, which come in the order of their tags.
class ImageDecoder {
 public:
  // False if `field` does not belong there.
  bool Take(const WireField& field) {
    if (field.tag != (next_ == 0 ? Tag(ResultTag::kFilename) : next_)) return false;
    next_ = field.tag + 1;
    switch (static_cast<ResultTag>(field.tag)) {
      case ResultTag::kFilename:
        image_ = {};
        image_.filename = field.AsText();
        return true;
      case ResultTag::kFilePath:
        image_.file_path = field.AsText();
        return true;
      case ResultTag::kActualSize:
        return Number(field, image_.actual_size);
      case ResultTag::kFileSize:
        return Number(field, image_.file_size);
      case ResultTag::kFullBackingFilename:
        image_.full_backing_filename = field.AsText();
        return true;
      case ResultTag::kReport: {
        auto tree = DecodeTree(field.payload);
        if (!tree) return false;
        image_.report = *std::move(tree);
        images_.push_back(std::move(image_));
        next_ = 0;
        return true;
      }
      case ResultTag::kIsolation:
      case ResultTag::kWarning:
        return false;
    }
    return false;
  }

  [[nodiscard]] bool complete() const { return next_ == 0; }
  std::vector<ImageInfo> TakeImages() { return std::move(images_); }

 private:
  static bool Number(const WireField& field, std::uint64_t& target) {
    const auto number = field.AsUnsigned();
    if (number) target = *number;
    return number.has_value();
  }

  ImageInfo image_;
  std::vector<ImageInfo> images_;
  std::uint32_t next_ = 0;  // the tag that must come; 0 between images
};

}  // namespace

std::vector<std::byte> EncodeResult(const SingleReport& report) {
  WireWriter writer;
  writer.Unsigned(Tag(ResultTag::kIsolation), static_cast<std::uint64_t>(report.isolation));
  WireWriter tree;
  TreeEncoder(tree).Value(report.report);
  writer.Bytes(Tag(ResultTag::kReport), tree.bytes());
  return {writer.bytes().begin(), writer.bytes().end()};
}

std::vector<std::byte> EncodeResult(const InfoReport& report) {
  WireWriter writer;
  writer.Unsigned(Tag(ResultTag::kIsolation), static_cast<std::uint64_t>(report.isolation));
  for (const ImageInfo& image : report.images) {
    writer.Text(Tag(ResultTag::kFilename), image.filename);
    writer.Text(Tag(ResultTag::kFilePath), image.file_path);
    writer.Unsigned(Tag(ResultTag::kActualSize), image.actual_size);
    writer.Unsigned(Tag(ResultTag::kFileSize), image.file_size);
    writer.Text(Tag(ResultTag::kFullBackingFilename), image.full_backing_filename);
    WireWriter tree;
    TreeEncoder(tree).Value(image.report);
    writer.Bytes(Tag(ResultTag::kReport), tree.bytes());
  }
  return {writer.bytes().begin(), writer.bytes().end()};
}

std::vector<std::byte> EncodeResult(const ConvertReport& report) {
  WireWriter writer;
  writer.Unsigned(Tag(ResultTag::kIsolation), static_cast<std::uint64_t>(report.isolation));
  for (const std::string& warning : report.warnings) {
    writer.Text(Tag(ResultTag::kWarning), warning);
  }
  return {writer.bytes().begin(), writer.bytes().end()};
}

absl::StatusOr<SingleReport> DecodeSingleResult(std::span<const std::byte> bytes) {
  SingleReport report;
  WireReader reader(bytes);
  const auto first = reader.Next();
  const auto second = first ? reader.Next() : std::nullopt;
  if (!second || reader.Next() || !reader.ok()) return Malformed();
  if (first->tag != Tag(ResultTag::kIsolation) || second->tag != Tag(ResultTag::kReport)) {
    return Malformed();
  }
  const auto isolation = DecodeIsolation(*first);
  auto tree = DecodeTree(second->payload);
  if (!isolation || !tree) return Malformed();
  return SingleReport{.isolation = *isolation, .report = *std::move(tree)};
}

absl::StatusOr<InfoReport> DecodeInfoResult(std::span<const std::byte> bytes) {
  InfoReport report;
  ImageDecoder images;
  WireReader reader(bytes);
  while (const auto field = reader.Next()) {
    if (field->tag == Tag(ResultTag::kIsolation)) {
      const auto isolation = DecodeIsolation(*field);
      if (!isolation) return Malformed();
      report.isolation = *isolation;
    } else if (!images.Take(*field)) {
      return Malformed();
    }
  }
  report.images = images.TakeImages();
  if (!reader.ok() || !images.complete() || report.images.empty()) return Malformed();
  return report;
}

absl::StatusOr<ConvertReport> DecodeConvertResult(std::span<const std::byte> bytes) {
  ConvertReport report;
  WireReader reader(bytes);
  while (const auto field = reader.Next()) {
    if (field->tag == Tag(ResultTag::kIsolation)) {
      const auto isolation = DecodeIsolation(*field);
      if (!isolation) return Malformed();
      report.isolation = *isolation;
    } else if (field->tag == Tag(ResultTag::kWarning)) {
      report.warnings.emplace_back(field->AsText());
    } else {
      return Malformed();
    }
  }
  if (!reader.ok()) return Malformed();
  return report;
}

}  // namespace instar::vmm
