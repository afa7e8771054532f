// Repairs of images that are damaged at random: in every crash the file is the damaged image as it
// was, or the repaired one; nothing that could be read reads otherwise; and what qemu-img repairs
// is repaired, too.
#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "crash/crash_states.h"
#include "crash/damage.h"
#include "crash/proofs.h"
#include "crash/qemu_check.h"
#include "crash/readable.h"
#include "crash/scenario.h"
#include "formats/repair.h"

namespace instar::crash {
namespace {

std::string TextOf(const Error& error) {
  return absl::StrCat(error.message, " (", error.numbers[0], ", ", error.numbers[1], ", ",
                      error.numbers[2], ")");
}

class Fixes final : public FindingSink {
 public:
  void Add(const Finding&) override {}
};

Result<RepairCounts> RepairFile(CrashDevice& device, RepairMode mode) {
  Fixes fixes;
  return RepairImage({.format = FormatId::kQcow2,
                      .image = &device,
                      .device = &device,
                      .findings = &fixes,
                      .mode = mode});
}

// The damaged image of one run.
struct Damaged {
  std::string name;
  ImageFiles files;
};

std::optional<Damaged> Draw(std::uint64_t seed, std::uint64_t number) {
  std::mt19937_64 random(seed * 0x9E3779B97F4A7C15 + number);
  const auto& images = AllImages();
  const ImageRecipe& recipe = images[random() % images.size()];
  if (recipe.format != FormatId::kQcow2 || recipe.disk_bytes > 16 << 20) return std::nullopt;
  const auto& made = MadeOnce(recipe);
  if (!made) return std::nullopt;
  Damaged damaged{.name = {}, .files = *made};
  const std::string what = DamageAtRandom(damaged.files.image, random);
  damaged.name = absl::StrCat("image ", number, ": ", recipe.name, " with ", what);
  return damaged;
}

class RepairProof {
 public:
  // Images that read fully after a repair.
  struct Reads {
    std::uint64_t ours = 0;
    std::uint64_t theirs = 0;
  };

  RepairProof(const Damaged& damaged, const ProofOptions& options, ProofLog& log, Reads& reads)
      : damaged_(damaged), options_(options), log_(log), reads_(reads) {}

  void Run() {
    const auto before = Look(damaged_.files);
    if (!before) return log_.Count("images that cannot be opened", 1);
    if (before->findings.empty()) log_.Count("images of which nothing is found", 1);
    Prove(*before, RepairMode::kAll);
    Prove(*before, RepairMode::kLeaks);
  }

 private:
  [[nodiscard]] std::expected<Readable, std::string> Look(const ImageFiles& files) const {
    return Read(files, damaged_.files.image.size_bytes());
  }
  void Fail(RepairMode mode, const std::string& why) {
    log_.Failed(damaged_.name,
                absl::StrCat(mode == RepairMode::kAll ? "-r all: " : "-r leaks: ", why));
  }

  void Prove(const Readable& before, RepairMode mode) {
    Recording recording;
    ImageFiles after = damaged_.files;
    CrashDevice device(after.image, kImageId, recording, after.fixed_length);
    const auto repaired = RepairFile(device, mode);
    after.image = device.file();
    const auto now = Look(after);
    if (!now) return Fail(mode, "it cannot be opened: " + now.error());
    if (const std::string lost = Lost(before, *now); !lost.empty()) return Fail(mode, lost);
    if (!repaired) {
      if (now->findings != before.findings)
        Fail(mode, "refused, and has other findings: " + TextOf(repaired.error()));
      if (mode == RepairMode::kAll) log_.Refused(damaged_.name, TextOf(repaired.error()));
    } else if (repaired->left.corruptions + repaired->left.leaks + repaired->left.check_errors !=
               now->found) {
      return Fail(mode, absl::StrCat("left are said to be ", repaired->left.corruptions, " and ",
                                     repaired->left.leaks, ", and found are ", now->found, ": ",
                                     absl::StrJoin(now->findings, "; ").substr(0, 400)));
    } else if (mode == RepairMode::kAll &&
               (repaired->left.leaks != 0 || repaired->left.check_errors != 0)) {
      log_.Count("images with leaks or errors left", 1);
    }
    const bool done = repaired.has_value();
    if (const std::string why = JudgeCrashes(recording, before, *now, done); !why.empty()) {
      return Fail(mode, why);
    }
    if (done && recording.writes() != 0 && random_() % 4 == 0) {
      Guard(recording, before, *now, mode);
      Fault(recording, before, *now, mode);
    }
    if (mode == RepairMode::kAll) CompareWithQemu(before, repaired.has_value(), after, *now);
  }

  // What is wrong with the states that a crash can leave.
  std::string JudgeCrashes(const Recording& recording, const Readable& before,
                           const Readable& after, bool done) {
    ImageFiles files = damaged_.files;
    std::string failure;
    const StateCounts states = ForEachCrashState(
        recording,
        {.seed = SeedOf(options_.seed, damaged_.name),
         .all_subsets_of = 3,
         .drawn_subsets = 3,
         .drawn_tears = 3},
        [&](const CrashState& state) {
          files.image = state.files[0];
          const auto now = Look(files);
          const bool is_new = state.root_written || (state.at_end && done);
          const std::string why =
              now ? (is_new ? DifferFromNew(*now, after) : DifferFromOld(*now, before))
                  : "it cannot be opened: " + now.error();
          if (why.empty()) return true;
          failure = absl::StrCat("not the ", is_new ? "new" : "old", " image: ", why,
                                 "\n    after ", state.describe());
          return false;
        });
    log_.Count(states);
    return failure;
  }

  // Without one of its flushes a repair is found out, unless that had nothing to flush.
  void Guard(const Recording& whole, const Readable& before, const Readable& after,
             RepairMode mode) {
    for (std::size_t flush = 0; flush < whole.flushes(); ++flush) {
      if (std::ranges::find(whole.idle_flushes(), flush) != whole.idle_flushes().end()) continue;
      Recording recording({.lost_flush = flush});
      CrashDevice device(damaged_.files.image, kImageId, recording, damaged_.files.fixed_length);
      if (!RepairFile(device, mode)) continue;
      const bool found = !JudgeCrashes(recording, before, after, true).empty();
      log_.Count(found ? "flushes left out" : "flushes that nothing shows", 1);
      // What is given back, or cut off, after the last flush is looked at by nobody.
      if (!found && flush == 0) Fail(mode, "nothing is wrong without its first flush");
    }
  }

  // Where a call fails, the file is the damaged image, or the root was being written.
  void Fault(const Recording& whole, const Readable& before, const Readable& after,
             RepairMode mode) {
    for (std::size_t call = 0; call < whole.calls(); ++call) {
      Recording recording({.failing_call = call,
                           .half_done = random_() % 2 == 0,
                           .error = random_() % 2 == 0 ? ErrorCode::kIo : ErrorCode::kNoSpace});
      ImageFiles files = damaged_.files;
      CrashDevice device(files.image, kImageId, recording, files.fixed_length);
      const auto repaired = RepairFile(device, mode);
      files.image = device.file();
      const auto now = Look(files);
      log_.Count("calls that were made to fail", 1);
      const std::string not_old = now ? DifferFromOld(*now, before) : now.error();
      const std::string not_new = now ? DifferFromNew(*now, after) : now.error();
      const bool may_be_new = repaired.has_value() || recording.root_failed();
      if ((!repaired && not_old.empty()) || (may_be_new && not_new.empty())) continue;
      Fail(mode, absl::StrCat("call ", call, " fails: not the old image: ", not_old,
                              "; not the new one: ", not_new));
    }
  }

  static std::string DifferFromNew(const Readable& now, const Readable& should) {
    if (now.disk != should.disk) return "the disk differs";
    if (now.snapshots != should.snapshots) return "a snapshot differs";
    return now.findings == should.findings ? "" : "the check finds something else";
  }

  // As it was, but for what a longer file shows.
  static std::string DifferFromOld(const Readable& now, const Readable& should) {
    // What cannot be read in a short file may read as zeros in a longer one.
    if (std::string lost = Lost(should, now); !lost.empty()) return lost;
    // A longer file also shows what is wrong with clusters that were not in it, and with tables
    // that reach behind its end.
    const bool behind = std::ranges::binary_search(should.findings, Readable::kBehindEnd);
    for (const std::string& finding : now.findings) {
      if (behind || finding == Readable::kBehindEnd) continue;
      if (!std::ranges::binary_search(should.findings, finding))
        return "the check finds " + finding;
    }
    return "";
  }

  void CompareWithQemu(const Readable& before, bool repaired, const ImageFiles& files,
                       const Readable& now) {
    if (!options_.qemu) return;
    const ScratchFolder folder;
    Store(folder, damaged_.files);
    std::string output;
    const std::string in = absl::StrCat("cd '", folder.path(), "' && ");
    const int code = RunShell(in + "qemu-img check -q -r all -f qcow2 i.qcow2", output);
    ImageFiles by_qemu = damaged_.files;
    if (auto image = folder.Load("i.qcow2")) by_qemu.image = *std::move(image);
    const auto theirs = Look(by_qemu);
    const bool reads_all = theirs && theirs->Unreadable() == 0 && Lost(before, *theirs).empty();
    log_.Count("images that read fully after qemu-img check -r all", reads_all ? 1 : 0);
    log_.Count("images that read fully after the repair", now.Unreadable() == 0 ? 1 : 0);
    if (theirs && !Lost(before, *theirs).empty()) {
      log_.Count("images that lost something to qemu-img check -r all", 1);
    }
    if (code == 0 && !repaired && !files.fixed_length)
      Fail(RepairMode::kAll, "refused, and qemu-img repairs it");
    const bool behind = std::ranges::binary_search(now.findings, Readable::kBehindEnd);
    const bool lost = !theirs || !Lost(before, *theirs).empty();
    if (code == 0 && repaired && !now.findings.empty() && !behind && !lost) {
      Fail(RepairMode::kAll, "qemu-img leaves nothing, we: " + now.findings.front());
    }
    reads_.theirs += reads_all ? 1 : 0;
    reads_.ours += now.Unreadable() == 0 ? 1 : 0;
    log_.Count("images of which qemu-img leaves nothing to be found", code == 0 ? 1 : 0);
    if (!repaired) return;
    log_.Count("images of which the repair leaves nothing to be found",
               now.findings.empty() ? 1 : 0);
    Store(folder, files);
    const int left = RunShell(in + "qemu-img check -q -f qcow2 i.qcow2", output);
    if (now.findings.empty() && left != 0) {
      Fail(RepairMode::kAll, absl::StrCat("qemu-img check exits with ", left, ": ", output));
    }
  }

  static void Store(const ScratchFolder& folder, const ImageFiles& files) {
    folder.Store("i.qcow2", files.image);
    if (files.data_file) folder.Store("d.raw", *files.data_file);
    if (files.backing) folder.Store("b.raw", *files.backing);
  }

  const Damaged& damaged_;
  const ProofOptions& options_;
  ProofLog& log_;
  Reads& reads_;
  std::mt19937_64 random_{SeedOf(options_.seed, damaged_.name)};
};

}  // namespace

void ProveRepair(const ChangeSet&, const ProofOptions& options, ProofLog& log) {
  RepairProof::Reads reads;
  for (std::uint64_t number = 0; log.MayGoOn(); ++number) {
    const auto damaged = Draw(options.seed, number);
    if (!damaged || !log.Wants(damaged->name)) continue;
    log.Begin(damaged->name);
    RepairProof(*damaged, options, log, reads).Run();
  }
  if (reads.ours < reads.theirs) log.Failed("all images", "qemu-img makes more of them readable");
}

}  // namespace instar::crash
