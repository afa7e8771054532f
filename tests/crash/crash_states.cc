#include "crash/crash_states.h"

#include <algorithm>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace instar::crash {
namespace {

// What the disk has made of one open step.
struct Fate {
  enum class Kind : std::uint8_t {
    kLost,
    kDone,
    kFirst,      // the first `sectors` sectors
    kAllBut,     // all but the first `sectors` sectors
    kScattered,  // sectors that `sectors`, a seed, draws
  };
  Kind kind = Kind::kLost;
  std::uint64_t sectors = 0;
};
using Fates = std::vector<Fate>;
constexpr Fate kNotDone{Fate::Kind::kLost};
constexpr Fate kWhollyDone{Fate::Kind::kDone};

enum class Length : std::uint8_t { kAsWritten, kShort, kLong };

std::uint64_t SectorsOf(const Step& step) {
  const std::uint64_t first = step.offset / kSectorBytes;
  return (step.offset + step.length + kSectorBytes - 1) / kSectorBytes - first;
}

bool CanBeTorn(const Step& step) {
  return !step.root && SectorsOf(step) > 1 &&
         (step.kind == Step::Kind::kWrite || step.kind == Step::Kind::kZero);
}

// Bit `index` of the sequence that `seed` draws.
bool Drawn(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t x = seed + index * 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return ((x >> 40) & 1) != 0;
}

class Enumerator {
 public:
  Enumerator(const Recording& recording, const StateOptions& options,
             const std::function<bool(const CrashState&)>& visit)
      : steps_(recording.steps()),
        options_(options),
        visit_(visit),
        random_(options.seed),
        durable_(recording.start()) {}

  StateCounts Run() {
    for (std::size_t i = 0; i < steps_.size() && !ended_; ++i) {
      const Step& step = steps_[i];
      if (step.kind == Step::Kind::kFlush) {
        CrashHere(i);
        MakeDurable(step.file);
      } else if (step.kind == Step::Kind::kRoot) {
        open_.push_back({i, /*certain=*/false});
        CrashHere(i);
        open_.back().certain = true;
        durable_root_ = true;
        CrashHere(i + 1);
      } else {
        open_.push_back({i, /*certain=*/false});
      }
    }
    if (!ended_) CrashHere(steps_.size(), /*at_end=*/true);
    return counts_;
  }

 private:
  struct Open {
    std::size_t step = 0;
    bool certain = false;  // it is on the disk, though what was written before need not be
  };

  void MakeDurable(unsigned file) {
    for (const Open& open : open_) {
      const Step& step = steps_[open.step];
      if (step.file != file) continue;
      Apply(step, durable_[file]);
      durable_root_ = durable_root_ || step.root;
    }
    std::erase_if(open_, [&](const Open& open) { return steps_[open.step].file == file; });
  }

  void CrashHere(std::size_t before_step, bool at_end = false) {
    before_step_ = before_step;
    at_end_ = at_end;
    const std::size_t n = open_.size();
    if (n <= options_.all_subsets_of) {
      for (std::uint64_t subset = 0; subset < (std::uint64_t{1} << n); ++subset) {
        Fates fates(n);
        for (std::size_t i = 0; i < n; ++i)
          fates[i] = (subset >> i & 1) != 0 ? kWhollyDone : kNotDone;
        Emit(fates);
      }
    } else {
      for (std::size_t i = 0; i <= n; ++i) Emit(Prefix(i));
      for (std::size_t i = 0; i < n; ++i) {
        Fates without(n, kWhollyDone);
        without[i] = kNotDone;
        Emit(without);
        Fates alone(n, kNotDone);
        alone[i] = kWhollyDone;
        Emit(alone);
      }
      for (unsigned k = 0; k < options_.drawn_subsets; ++k) {
        const std::uint64_t seed = random_();
        Fates fates(n);
        for (std::size_t i = 0; i < n; ++i) fates[i] = Drawn(seed, i) ? kWhollyDone : kNotDone;
        Emit(fates);
      }
    }
    Tear();
  }

  [[nodiscard]] Fates Prefix(std::size_t length) const {
    Fates fates(open_.size(), kNotDone);
    std::fill_n(fates.begin(), length, kWhollyDone);
    return fates;
  }

  void Tear() {
    std::vector<std::size_t> torn;
    for (std::size_t i = 0; i < open_.size(); ++i) {
      if (CanBeTorn(steps_[open_[i].step])) torn.push_back(i);
    }
    if (torn.empty()) return;
    for (const std::size_t i : torn) {
      const std::uint64_t sectors = SectorsOf(steps_[open_[i].step]);
      const std::uint64_t middle = 1 + random_() % (sectors - 1);
      for (const Fate& fate :
           {Fate{Fate::Kind::kFirst, 1}, Fate{Fate::Kind::kFirst, middle},
            Fate{Fate::Kind::kAllBut, 1}, Fate{Fate::Kind::kScattered, random_()}}) {
        Fates prefix = Prefix(i);
        prefix[i] = fate;
        Emit(prefix);
        Fates all(open_.size(), kWhollyDone);
        all[i] = fate;
        Emit(all);
      }
    }
    for (unsigned k = 0; k < options_.drawn_tears; ++k) {
      const std::uint64_t seed = random_();
      Fates fates(open_.size());
      for (std::size_t i = 0; i < fates.size(); ++i) {
        fates[i] = Drawn(seed, i) ? kWhollyDone : kNotDone;
        if (CanBeTorn(steps_[open_[i].step]) && Drawn(~seed, i)) {
          fates[i] = {Fate::Kind::kScattered, random_()};
        }
      }
      Emit(fates);
    }
  }

  void Emit(const Fates& fates) {
    for (const Length length : {Length::kAsWritten, Length::kShort, Length::kLong}) {
      if (!ended_) EmitWith(fates, length);
    }
  }

  void EmitWith(const Fates& fates, Length length) {
    CrashState state{.files = durable_, .root_written = durable_root_, .at_end = at_end_};
    std::vector<std::uint64_t> largest;
    for (const SparseFile& file : durable_) largest.push_back(file.size_bytes());
    for (std::size_t i = 0; i < open_.size(); ++i) {
      const Step& step = steps_[open_[i].step];
      const Fate fate = open_[i].certain ? kWhollyDone : fates[i];
      Do(step, fate, state.files[step.file]);
      if (step.root && fate.kind == Fate::Kind::kDone) state.root_written = true;
      if (step.kind != Step::Kind::kDiscard) {
        largest[step.file] = std::max(largest[step.file], step.offset + step.length);
      }
    }
    bool differs = length == Length::kAsWritten;
    for (std::size_t i = 0; i < state.files.size(); ++i) {
      const std::uint64_t now = state.files[i].size_bytes();
      if (length == Length::kShort && now > durable_[i].size_bytes()) {
        state.files[i].Resize(durable_[i].size_bytes());
        differs = true;
      } else if (length == Length::kLong && now < largest[i] && now >= durable_[i].size_bytes()) {
        state.files[i].Resize(largest[i]);
        differs = true;
      }
    }
    if (!differs) return;
    ++counts_.enumerated;
    std::vector<Digest> key;
    for (const SparseFile& file : state.files) key.push_back(file.digest());
    key.push_back({state.root_written ? 1U : 0U, state.at_end ? 1U : 0U});
    if (!seen_.insert(std::move(key)).second) return;
    ++counts_.distinct;
    state.describe = [&] { return Describe(fates, length); };
    ended_ = !visit_(state);
  }

  static void Do(const Step& step, const Fate& fate, SparseFile& file) {
    switch (fate.kind) {
      case Fate::Kind::kLost:
        break;
      case Fate::Kind::kDone:
        Apply(step, file);
        break;
      case Fate::Kind::kFirst:
        ApplyPart(step, file, [&](std::uint64_t i) { return i < fate.sectors; });
        break;
      case Fate::Kind::kAllBut:
        ApplyPart(step, file, [&](std::uint64_t i) { return i >= fate.sectors; });
        break;
      case Fate::Kind::kScattered:
        ApplyPart(step, file, [&](std::uint64_t i) { return Drawn(fate.sectors, i); });
        break;
    }
  }

  [[nodiscard]] std::string Describe(const Fates& fates, Length length) const {
    std::string text =
        at_end_ ? "a crash at the end" : absl::StrCat("a crash at step ", before_step_);
    absl::StrAppend(&text, " of ", steps_.size(), "; of the steps that were not flushed:");
    for (std::size_t i = 0; i < open_.size(); ++i) {
      const char* what = "";
      switch (open_[i].certain ? Fate::Kind::kDone : fates[i].kind) {
        case Fate::Kind::kLost:
          what = "lost";
          break;
        case Fate::Kind::kDone:
          what = "done";
          break;
        case Fate::Kind::kFirst:
        case Fate::Kind::kAllBut:
        case Fate::Kind::kScattered:
          what = "torn";
          break;
      }
      absl::StrAppend(&text, "\n      ", what, ": ", steps_[open_[i].step].Describe());
    }
    if (length == Length::kShort) text += "\n      the length is that of the last flush";
    if (length == Length::kLong) text += "\n      the length is the largest asked for";
    return text;
  }

  const std::vector<Step>& steps_;
  const StateOptions& options_;
  const std::function<bool(const CrashState&)>& visit_;
  std::mt19937_64 random_;
  std::vector<SparseFile> durable_;
  std::vector<Open> open_;
  bool durable_root_ = false;
  std::size_t before_step_ = 0;
  bool at_end_ = false;
  bool ended_ = false;
  std::set<std::vector<Digest>> seen_;
  StateCounts counts_;
};

}  // namespace

StateCounts ForEachCrashState(const Recording& recording, const StateOptions& options,
                              const std::function<bool(const CrashState&)>& visit) {
  return Enumerator(recording, options, visit).Run();
}

}  // namespace instar::crash
