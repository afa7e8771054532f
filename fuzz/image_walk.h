// Walks an image, judges it by the strict profile and checks it: a judgement comes to an end and
// its reasons have names; a check ends, tells what it counts, and finds damage where the walk did.
#ifndef FUZZ_IMAGE_WALK_H_
#define FUZZ_IMAGE_WALK_H_

#include "counting_sink.h"
#include "extent_walk.h"
#include "formats/check.h"
#include "formats/inspect.h"

namespace instar::fuzz {

inline void CheckTold(std::uint64_t counted, std::uint64_t told, bool some) {
  Require(told == counted || (some && told < counted && told != 0),
          "what is counted is told, and nothing else");
}

inline void Judge(const BlockDevice& file, FormatId format, std::uint64_t file_bytes) {
  Reasons reasons;
  const Status judged = InspectImage({.device = &file, .format = format, .reasons = &reasons});
  Require(judged || judged.error().code == ErrorCode::kIo, "what can be read can be judged");
  for (const Reason& reason : reasons.all()) {
    Require(!NameOf(reason.code).empty(), "a reason has a name");
    Require(reason.message[0] != 0, "a reason has a message");
    Require(reason.offset <= file_bytes, "a reason stands in the file");
  }
}

// `reader` is that of `file`; see WalkExtents for the rest.
inline void WalkAndCheck(const BlockDevice& file, const ImageReader& reader,
                         std::uint64_t file_bytes, std::span<const std::byte> content) {
  Judge(file, reader.format(), file_bytes);
  const std::optional<bool> damaged = WalkExtents(reader, file_bytes, content);
  if (!damaged) return;
  CountingSink findings;
  const auto counts = CheckImage({.device = &file, .reader = &reader, .findings = &findings});
  if (!counts) {
    Require(counts.error().code == ErrorCode::kIo, "what opens can be checked");
    return;
  }
  const bool bounded = reader.format() == FormatId::kVmdk;  // tells some of very many
  CheckTold(counts->corruptions, findings.of(FindingKind::kCorruption), bounded);
  CheckTold(counts->check_errors, findings.of(FindingKind::kError), bounded);
  CheckTold(counts->leaks, findings.of(FindingKind::kLeak), true);  // in one sentence
  Require(!*damaged || counts->corruptions != 0, "what stops a walk is found by a check");
}

}  // namespace instar::fuzz

#endif  // FUZZ_IMAGE_WALK_H_
