#include "crash/resize_changes.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "formats/resize.h"

namespace instar::crash {
namespace {

constexpr std::pair<Growth, const char*> kGrowths[] = {{Growth::kOff, ""},
                                                       {Growth::kMetadata, " metadata"},
                                                       {Growth::kFalloc, " falloc"},
                                                       {Growth::kFull, " full"}};

Status ResizeFiles(OpenFiles& files, std::uint64_t size_bytes, Growth growth) {
  return ResizeImage({.format = files.format(),
                      .device = &files.image(),
                      .data_file = files.data_file(),
                      .content = &files.content(),
                      .backing_bytes = files.backing_bytes(),
                      .size_bytes = size_bytes,
                      .growth = growth});
}

bool MayBeRefused(const ImageRecipe& recipe, Growth growth, const Error& error) {
  const std::string_view message = error.message;
  if (recipe.format == FormatId::kRaw && growth == Growth::kMetadata) return true;
  if (error.code == ErrorCode::kNoSpace) return recipe.disk_clusters_behind != 0;
  return message.starts_with("Can't resize a v2 image which has snapshots") ||
         message.starts_with("a disk with bitmaps cannot have the size 0") ||
         message.starts_with("Bitmap '{t}' is inconsistent");
}

std::vector<Change> LastChanges() {
  std::vector<Change> changes = {
      Resize("-512", {.bytes = -512}),
      Resize("-1C", {.clusters = -1}),
      Resize("-5C", {.clusters = -5}),
      Resize("-9C-512", {.clusters = -9, .bytes = -512}),
      Resize("=512", {.bytes = 512, .absolute = true}),
      Resize("=0", {.absolute = true}),
      Resize("+5000C", {.clusters = 5000}),  // a longer L1 table, where clusters are short
      Resize("+70000C", {.clusters = 70000}),
  };
  const std::pair<const char*, SizeStep> kUp[] = {{"+512", {.bytes = 512}},
                                                  {"+1C", {.clusters = 1}},
                                                  {"+3C+512", {.clusters = 3, .bytes = 512}},
                                                  {"+90C", {.clusters = 90}}};
  for (const auto& [name, up] : kUp) {
    for (const auto& [growth, how] : kGrowths) {
      SizeStep step = up;
      step.growth = growth;
      changes.push_back(Resize(absl::StrCat(name, how), step));
    }
  }
  changes.push_back(Resize("+400C metadata", {.clusters = 400, .growth = Growth::kMetadata}));
  // Where clusters are short and refcounts wide, a longer refcount table. Elsewhere it would take
  // too long.
  Change longer = Resize("+5000C metadata", {.clusters = 5000, .growth = Growth::kMetadata});
  longer.plan = [plan = longer.plan](const ImageRecipe& recipe, const ImageFacts& before) {
    return recipe.cluster_bits == 9 ? plan(recipe, before) : std::nullopt;
  };
  changes.push_back(std::move(longer));
  return changes;
}

std::vector<Change> FirstChanges() {
  return {
      Resize("-3C-512", {.clusters = -3, .bytes = -512}),
      Resize("=0", {.absolute = true}),
      Resize("+2C+512", {.clusters = 2, .bytes = 512}),
      Resize("+80C metadata", {.clusters = 80, .growth = Growth::kMetadata}),
  };
}

std::vector<std::pair<Change, Change>> Cycles() {
  return {{Resize("+90C", {.clusters = 90}), Resize("-90C", {.clusters = -90})},
          {Resize("+3C+512 metadata", {.clusters = 3, .bytes = 512, .growth = Growth::kMetadata}),
           Resize("-3C-512", {.clusters = -3, .bytes = -512})}};
}

}  // namespace

std::optional<std::uint64_t> SizeAfter(const SizeStep& step, std::uint64_t disk_bytes,
                                       unsigned cluster_bits) {
  const std::int64_t difference = step.clusters * (std::int64_t{1} << cluster_bits) + step.bytes;
  const std::int64_t size =
      step.absolute ? difference : static_cast<std::int64_t>(disk_bytes) + difference;
  if (size < 0 || static_cast<std::uint64_t>(size) == disk_bytes) return std::nullopt;
  return static_cast<std::uint64_t>(size);
}

Change Resize(const std::string& size, const SizeStep& step) {
  return {.name = "resize " + size,
          .plan = [step](const ImageRecipe& recipe,
                         const ImageFacts& before) -> std::optional<PlannedChange> {
            const auto bytes = SizeAfter(step, before.disk.size_bytes(), recipe.cluster_bits);
            if (!bytes) return std::nullopt;
            return PlannedChange{.after = Resized(before, *bytes),
                                 .run = [bytes = *bytes, growth = step.growth](OpenFiles& files) {
                                   return ResizeFiles(files, bytes, growth);
                                 }};
          },
          .may_be_refused =
              [growth = step.growth](const ImageRecipe& recipe, const Error& error) {
                return MayBeRefused(recipe, growth, error);
              }};
}

const ChangeSet& ResizeChanges() {
  static const ChangeSet kChanges{
      .first = FirstChanges(), .last = LastChanges(), .cycles = Cycles()};
  return kChanges;
}

}  // namespace instar::crash
