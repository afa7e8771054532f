#include "crash/scenario.h"

#include <algorithm>
#include <map>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"

namespace instar::crash {

const std::expected<ImageFiles, std::string>& MadeOnce(const ImageRecipe& recipe) {
  static std::map<const ImageRecipe*, std::expected<ImageFiles, std::string>> made;
  const auto at = made.find(&recipe);
  if (at != made.end()) return at->second;
  return made.emplace(&recipe, Make(recipe)).first->second;
}

std::string Scenario::Name() const {
  std::string name = recipe->name;
  for (const Change* change : changes) absl::StrAppend(&name, ", ", change->name);
  return name;
}

std::uint64_t SeedOf(std::uint64_t seed, const std::string& name) {
  for (const char c : name) {
    seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
    seed ^= seed >> 29;
  }
  return seed;
}

std::vector<Scenario> AllScenarios(const ChangeSet& changes, std::uint64_t seed) {
  std::vector<Scenario> by_length[3];
  for (const ImageRecipe& recipe : AllImages()) {
    for (const Change& last : changes.last) {
      by_length[0].push_back({&recipe, {&last}});
      for (const Change& first : changes.first) {
        by_length[1].push_back({&recipe, {&first, &last}});
        for (const Change& second : changes.first) {
          by_length[2].push_back({&recipe, {&first, &second, &last}});
        }
      }
    }
  }
  std::mt19937_64 random(seed);
  // Of std::shuffle it is not said what it draws.
  const auto shuffle = [&random](std::vector<Scenario>& list) {
    for (std::size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[random() % i]);
  };
  for (auto& list : by_length) shuffle(list);
  std::vector<Scenario> all;
  std::size_t taken[3] = {};
  const auto take = [&](int length, std::size_t count) {
    for (; count != 0 && taken[length] < by_length[length].size(); --count) {
      all.push_back(std::move(by_length[length][taken[length]++]));
    }
  };
  while (all.size() < by_length[0].size() + by_length[1].size() + by_length[2].size()) {
    take(0, 3);
    take(1, 2);
    take(2, 1);
  }
  return all;
}

Status Run(const PlannedChange& change, ImageFiles& files, Recording& recording) {
  OpenFiles open(files, recording);
  Status status = change.run(open);
  open.StoreIn(files);
  return status;
}

std::expected<std::optional<Prepared>, std::string> Prepare(const Scenario& scenario) {
  const auto& made = MadeOnce(*scenario.recipe);
  if (!made) return std::unexpected(made.error());
  Prepared prepared{.files = *made};
  for (std::size_t i = 0; i < scenario.changes.size(); ++i) {
    auto facts = Observe(prepared.files);
    if (!facts) return std::unexpected(absl::StrCat("before change ", i + 1, ": ", facts.error()));
    if (i != 0) {
      if (std::string why = Difference(*facts, prepared.change.after); !why.empty()) {
        return std::unexpected(absl::StrCat("after change ", i, ": ", why));
      }
    }
    auto planned = scenario.changes[i]->plan(*scenario.recipe, *facts);
    if (!planned) return std::nullopt;
    prepared.before = *std::move(facts);
    prepared.change = *std::move(planned);
    if (i + 1 == scenario.changes.size()) break;
    Recording recording;
    if (!Run(prepared.change, prepared.files, recording)) return std::nullopt;
  }
  return prepared;
}

}  // namespace instar::crash
