#include "formats/signatures.h"

#include <cstring>
#include <string_view>

#include "formats/base/checked.h"
#include "formats/format_table.h"

namespace instar {
namespace {

using namespace std::string_view_literals;
using Bytes = std::span<const std::byte>;

bool HasText(Bytes bytes, std::size_t at, std::string_view text) {
  return RangeFits(at, text.size(), bytes.size()) &&
         std::memcmp(bytes.data() + at, text.data(), text.size()) == 0;
}

// Of formats that are recognised only to be refused.
struct Refused {
  FormatId id;
  HeadSignature signature;
};
constexpr std::array kRefused = {
    Refused{FormatId::kQcow1, {0, "QFI\xFB\0\0\0\1"sv}},
    Refused{FormatId::kQed, {0, "QED\0"sv}},
    Refused{FormatId::kVdi, {64, "\x7F\x10\xDA\xBE"sv}},
    Refused{FormatId::kParallels, {0, "WithoutFreeSpace"sv}},
    Refused{FormatId::kParallels, {0, "WithouFreSpacExt"sv}},
    Refused{FormatId::kBochs, {0, "Bochs Virtual HD Image\0"sv}},
    Refused{FormatId::kCloop, {0, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop "sv}},
};

bool Carries(Bytes head, const HeadSignature& signature) {
  const std::uint64_t end = signature.offset + signature.bytes.size();
  return HasText(head, signature.offset, signature.bytes) &&
         (signature.but_not.empty() || !HasText(head, end, signature.but_not));
}

}  // namespace

HeadSignatures FindHeadSignatures(Bytes head) {
  HeadSignatures signatures;
  const auto add = [&signatures](FormatId format, std::uint64_t offset) {
    if (signatures.count < signatures.found.size()) {
      signatures.found[signatures.count++] = {.format = format, .offset = offset};
    }
  };
  ForEachCell<kFormats, &Format::signatures>(
      [&](FormatId id, std::span<const HeadSignature> of_format) {
        for (const HeadSignature& signature : of_format) {
          if (Carries(head, signature)) add(id, signature.offset);
        }
      });
  for (const Refused& refused : kRefused) {
    if (Carries(head, refused.signature)) add(refused.id, refused.signature.offset);
  }
  ForEachCell<kFormats, &Format::recognises>([&](FormatId id, auto recognises) {
    if (recognises != nullptr && recognises(head)) add(id, 0);
  });
  return signatures;
}

}  // namespace instar
