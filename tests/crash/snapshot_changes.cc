#include "crash/snapshot_changes.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "formats/qcow2/structures/header.h"
#include "formats/snapshot.h"

namespace instar::crash {
namespace {

constexpr std::uint32_t kSeconds = 1'700'000'000;
constexpr std::uint32_t kNanoseconds = 123'456'789;

bool HasSnapshots(const ImageRecipe& recipe, const ImageFacts& facts) {
  return recipe.format == FormatId::kQcow2 &&
         (facts.format.incompatible_features & qcow2::kIncompatDataFile) == 0;
}

SnapshotOptions OptionsFor(OpenFiles& files, std::string_view name) {
  return {.format = files.format(),
          .device = &files.image(),
          .name = name,
          .date_seconds = kSeconds,
          .date_nanoseconds = kNanoseconds};
}

// After a crash that has left the new image a change is not made again.
bool HasCount(OpenFiles& files, std::size_t snapshots) {
  std::vector<std::byte> bytes(qcow2::Header::kFullBytes);
  if (!files.image().Read(0, bytes)) return false;
  const auto header = qcow2::Header::DecodeFrom(bytes);
  return header && header->snapshot_count == snapshots;
}

// The snapshot to use or to drop; nothing where the image has none.
const SnapshotFacts* Find(const ImageRecipe& recipe, const ImageFacts& facts, Which which) {
  if (!HasSnapshots(recipe, facts) || facts.snapshots.empty()) return nullptr;
  return which == Which::kFirst ? &facts.snapshots.front() : &facts.snapshots.back();
}

bool LacksRoom(const ImageRecipe& recipe, const Error& error) {
  return error.code == ErrorCode::kNoSpace && recipe.disk_clusters_behind != 0;
}

// Counts of few bits bear few snapshots.
bool LacksBits(const Error& error) {
  return error.code == ErrorCode::kLimit &&
         std::string_view(error.message).find("than refcounts of") != std::string_view::npos;
}

bool MayNotTake(const ImageRecipe& recipe, const Error& error) {
  return LacksRoom(recipe, error) ||
         (LacksBits(error) && recipe.name.starts_with("refcounts-of-1-bit")) ||
         (LacksBits(error) && recipe.name.starts_with("refcounts-of-2-bits"));
}

SnapshotFacts Taken(const ImageFacts& before, const std::string& name) {
  std::uint64_t greatest = 0;
  for (const SnapshotFacts& snapshot : before.snapshots) {
    std::uint64_t number = 0;
    if (absl::SimpleAtoi(snapshot.id, &number)) greatest = std::max(greatest, number);
  }
  return {.id = absl::StrCat(greatest + 1),
          .name = name,
          .date_seconds = kSeconds,
          .date_nanoseconds = kNanoseconds,
          .extra_bytes = 24,
          .icount = 0,
          .disk_size_bytes = before.disk.size_bytes(),
          .disk = before.disk};
}

}  // namespace

Change TakeSnapshot(const std::string& name) {
  return {.name = "snapshot -c " + name.substr(0, 20),
          .plan = [name](const ImageRecipe& recipe,
                         const ImageFacts& before) -> std::optional<PlannedChange> {
            if (!HasSnapshots(recipe, before)) return std::nullopt;
            PlannedChange change{.after = before,
                                 .run = [name, count = before.snapshots.size()](OpenFiles& files) {
                                   if (HasCount(files, count + 1)) return Status();
                                   return CreateSnapshot(OptionsFor(files, name));
                                 }};
            change.after.snapshots.push_back(Taken(before, name));
            return change;
          },
          .may_be_refused = MayNotTake};
}

Change UseSnapshot(Which which) {
  return {.name = which == Which::kFirst ? "snapshot -a first" : "snapshot -a last",
          .plan = [which](const ImageRecipe& recipe,
                          const ImageFacts& before) -> std::optional<PlannedChange> {
            const SnapshotFacts* const used = Find(recipe, before, which);
            if (used == nullptr || !before.bitmaps.empty()) return std::nullopt;
            PlannedChange change{.after = before, .run = [id = used->id](OpenFiles& files) {
                                   return ApplySnapshot(OptionsFor(files, id));
                                 }};
            change.after.disk = used->disk;
            return change;
          },
          .may_be_refused = LacksRoom};
}

Change DropSnapshot(Which which) {
  return {.name = which == Which::kFirst ? "snapshot -d first" : "snapshot -d last",
          .plan = [which](const ImageRecipe& recipe,
                          const ImageFacts& before) -> std::optional<PlannedChange> {
            const SnapshotFacts* const dropped = Find(recipe, before, which);
            if (dropped == nullptr) return std::nullopt;
            PlannedChange change{
                .after = before,
                .run = [name = dropped->name, count = before.snapshots.size()](OpenFiles& files) {
                  if (HasCount(files, count - 1)) return Status();
                  return DeleteSnapshot(OptionsFor(files, name));
                }};
            // The first of that name goes.
            auto& left = change.after.snapshots;
            left.erase(std::ranges::find(left, dropped->name, &SnapshotFacts::name));
            return change;
          },
          .may_be_refused = LacksRoom};
}

const ChangeSet& SnapshotChanges() {
  static const ChangeSet kChanges{
      .first = {TakeSnapshot("zero"), UseSnapshot(Which::kFirst), DropSnapshot(Which::kFirst)},
      .last = {TakeSnapshot("new"), TakeSnapshot(std::string(300, 'n')), UseSnapshot(Which::kFirst),
               UseSnapshot(Which::kLast), DropSnapshot(Which::kFirst), DropSnapshot(Which::kLast)},
      .cycles = {{TakeSnapshot("new"), DropSnapshot(Which::kLast)}}};
  return kChanges;
}

}  // namespace instar::crash
