#include "verbs/notice_codec.h"

#include <cstdint>
#include <optional>
#include <string>

#include "instar/wire.h"
#include "report/printable_text.h"

namespace instar::vmm {
namespace {

// A warning is one field; a reference is one each of the others, in this order.
enum class NoticeTag : std::uint32_t {
  kWarning = 1,  // text
  kKind = 2,     // 8 bytes
  kImage = 3,    // text
  kPath = 4,     // text
};

constexpr std::uint32_t Tag(NoticeTag tag) { return static_cast<std::uint32_t>(tag); }

std::optional<ReferenceKind> DecodeKind(const WireField& field) {
  const auto number = field.AsUnsigned();
  if (!number) return std::nullopt;
  for (const ReferenceKind kind :
       {ReferenceKind::kBackingFile, ReferenceKind::kDataFile, ReferenceKind::kExtent}) {
    if (*number == static_cast<std::uint64_t>(kind)) return kind;
  }
  return std::nullopt;
}

}  // namespace

Notices EncodedNotices(std::function<void(std::span<const std::byte>)> send) {
  return {.reference_opened =
              [send](const OpenedReference& reference) {
                WireWriter writer;
                writer.Unsigned(Tag(NoticeTag::kKind), static_cast<std::uint64_t>(reference.kind));
                writer.Text(Tag(NoticeTag::kImage), reference.image);
                writer.Text(Tag(NoticeTag::kPath), reference.path);
                send(writer.bytes());
              },
          .warning =
              [send](const std::string& line) {
                WireWriter writer;
                writer.Text(Tag(NoticeTag::kWarning), line);
                send(writer.bytes());
              }};
}

bool DecodeNotice(std::span<const std::byte> bytes, const Notices& notices) {
  WireReader reader(bytes);
  const auto first = reader.Next();
  if (!first) return false;
  if (first->tag == Tag(NoticeTag::kWarning)) {
    if (reader.Next() || !reader.ok()) return false;
    // What a child sends may be anything, after all.
    if (notices.warning) notices.warning(PrintableText(first->AsText()));
    return true;
  }
  const auto image = reader.Next();
  const auto path = image ? reader.Next() : std::nullopt;
  if (!path || reader.Next() || !reader.ok()) return false;
  const auto kind = DecodeKind(*first);
  if (first->tag != Tag(NoticeTag::kKind) || !kind || image->tag != Tag(NoticeTag::kImage) ||
      path->tag != Tag(NoticeTag::kPath)) {
    return false;
  }
  if (notices.reference_opened) {
    notices.reference_opened({.kind = *kind,
                              .image = std::string(image->AsText()),
                              .path = std::string(path->AsText())});
  }
  return true;
}

}  // namespace instar::vmm
