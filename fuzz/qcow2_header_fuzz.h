// Any bytes as a qcow2 image: the header decodes to what encodes to it again, opening and
// describing are bounded, and what the image names is bounded.
#ifndef FUZZ_QCOW2_HEADER_FUZZ_H_
#define FUZZ_QCOW2_HEADER_FUZZ_H_

#include <array>

#include "budgeted_device.h"
#include "formats/open.h"
#include "formats/qcow2/structures/header.h"

namespace instar::fuzz {

// Requires that events nest and that keys are there in objects and only there.
class CheckingSink final : public ReportSink {
 public:
  ~CheckingSink() override {
    if (complete_) Require(depth_ == 0, "the report is not closed");
  }
  void BeginObject(std::string_view key) override { Open(key, false); }
  void EndObject() override { Close(false); }
  void BeginArray(std::string_view key) override { Open(key, true); }
  void EndArray() override { Close(true); }
  void Unsigned(std::string_view key, std::uint64_t) override { Key(key); }
  void Signed(std::string_view key, std::int64_t) override { Key(key); }
  void Boolean(std::string_view key, bool) override { Key(key); }
  void String(std::string_view key, std::string_view) override { Key(key); }
  void Complete() { complete_ = true; }

 private:
  void Key(std::string_view key) {
    Require(key.empty() == (depth_ > 0 && in_array_[depth_ - 1]), "a key is missing or misplaced");
  }
  void Open(std::string_view key, bool array) {
    Key(key);
    Require(depth_ < in_array_.size(), "the report is nested too deeply");
    in_array_[depth_++] = array;
  }
  void Close(bool array) {
    Require(depth_ > 0 && in_array_[depth_ - 1] == array, "the report is closed wrongly");
    --depth_;
  }
  std::array<bool, 8> in_array_{};
  std::size_t depth_ = 0;
  bool complete_ = false;
};

inline void FuzzQcow2Header(std::span<const std::byte> input) {
  std::array<std::byte, qcow2::Header::kFullBytes> bytes{};
  std::ranges::copy(input.first(std::min(input.size(), bytes.size())), bytes.begin());
  if (const auto header = qcow2::Header::DecodeFrom(bytes)) {
    std::array<std::byte, qcow2::Header::kFullBytes> encoded{};
    header->EncodeTo(encoded);
    Require(qcow2::Header::DecodeFrom(encoded) == *header, "decode(encode(header)) == header");
  }

  const BudgetedDevice file(input, DeviceId{1}, 8 << 20);
  const auto probed = ProbeFormat(file);
  Require(probed.has_value() && *probed != FormatId::kUnknown, "every file has a format");
  const auto reader = OpenImage(file, FormatId::kQcow2);
  if (!reader) {
    Require(reader.error().device == file.id(), "an error names its device");
    return;
  }
  Require((*reader)->virtual_size_bytes() % 512 == 0, "the disk is whole sectors");
  Require((*reader)->references().size() <= 2, "an image names two files at most");
  for (const Reference& reference : (*reader)->references()) {
    Require(reference.name.size() <= 4095, "names are bounded");
    Require(reference.name.find('\0') == std::string_view::npos, "names hold no NUL");
  }
  CheckingSink sink;
  if ((*reader)->Describe(sink)) sink.Complete();
}

}  // namespace instar::fuzz

#endif  // FUZZ_QCOW2_HEADER_FUZZ_H_
