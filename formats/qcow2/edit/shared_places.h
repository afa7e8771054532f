// Clusters of a damaged image that several things refer to which cannot share them: who they are,
// and who keeps the place.
//
// Data that a snapshot shares is referred to from the same cluster of both disks, and an L2 table
// from the same entry of both L1 tables; compressed clusters share a cluster of the file. All else
// is damage. Nobody can say whose the place was, so everyone goes on reading what stands there now:
// the header and compressed data stay where they are, the data of one virtual cluster does, the
// first that is met, and all others get copies of their own.
//
// Not thread-safe. tests/unit/formats/qcow2/repair_test.cc covers this file.
#ifndef FORMATS_QCOW2_EDIT_SHARED_PLACES_H_
#define FORMATS_QCOW2_EDIT_SHARED_PLACES_H_

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace instar::qcow2 {

class SharedPlaces {
 public:
  enum class Use : std::uint8_t {
    kPinned,  // cannot have another place
    kTable,   // an L2 table; `key`: its index in the L1 table
    kData,    // `key`: the virtual cluster
    kOther,   // other metadata
  };

  SharedPlaces() = default;
  explicit SharedPlaces(std::vector<std::uint64_t> clusters) {
    std::ranges::sort(clusters);
    const auto same = std::ranges::unique(clusters);
    clusters.erase(same.begin(), same.end());
    places_.reserve(clusters.size());
    maybe_.resize(kFilterBits / 64);
    for (const std::uint64_t cluster : clusters) {
      places_.push_back({.cluster = cluster});
      maybe_[cluster % kFilterBits / 64] |= std::uint64_t{1} << cluster % 64;
    }
  }

  [[nodiscard]] bool empty() const { return places_.empty(); }

  // Something uses `cluster`, which need not be one of these.
  void Note(std::uint64_t cluster, Use use, std::uint64_t key = 0) {
    Place* const place = Find(cluster);
    if (place == nullptr) return;
    switch (use) {
      case Use::kPinned:
        place->pinned = true;
        break;
      case Use::kTable:
        NoteKey(place->table, place->tables_differ, key);
        break;
      case Use::kData:
        NoteKey(place->data, place->data_differs, key);
        break;
      case Use::kOther:
        if (place->others < kMany) ++place->others;
        break;
    }
  }

  // After all is noted. Whether the uses of `cluster` contradict each other.
  [[nodiscard]] bool InConflict(std::uint64_t cluster) const {
    const Place* const place = Find(cluster);
    return place != nullptr && place->InConflict();
  }
  [[nodiscard]] bool AnyInConflict() const {
    return std::ranges::any_of(places_, [](const Place& place) { return place.InConflict(); });
  }
  // Whether it is to be left by the data of the virtual cluster `key`.
  [[nodiscard]] bool DataMustLeave(std::uint64_t cluster, std::uint64_t key) const {
    const Place* const place = Find(cluster);
    return place != nullptr && place->InConflict() && (place->pinned || place->data != key);
  }

 private:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  static constexpr std::uint64_t kFilterBits = 1 << 20;
  static constexpr std::uint8_t kMany = 2;

  struct Place {
    std::uint64_t cluster = 0;
    std::uint64_t table = kNone;
    std::uint64_t data = kNone;
    bool tables_differ = false;
    bool data_differs = false;
    bool pinned = false;
    std::uint8_t others = 0;

    [[nodiscard]] bool InConflict() const {
      const int kinds = (pinned ? 1 : 0) + (table != kNone ? 1 : 0) + (data != kNone ? 1 : 0) +
                        (others != 0 ? 1 : 0);
      return kinds > 1 || tables_differ || data_differs || others >= kMany;
    }
  };

  static void NoteKey(std::uint64_t& known, bool& differs, std::uint64_t key) {
    if (known == kNone) known = key;
    if (known != key) differs = true;
  }
  [[nodiscard]] const Place* Find(std::uint64_t cluster) const {
    if (places_.empty()) return nullptr;
    if ((maybe_[cluster % kFilterBits / 64] >> cluster % 64 & 1) == 0) return nullptr;
    const auto place = std::ranges::lower_bound(places_, cluster, {}, &Place::cluster);
    return place != places_.end() && place->cluster == cluster ? &*place : nullptr;
  }
  [[nodiscard]] Place* Find(std::uint64_t cluster) {
    return const_cast<Place*>(std::as_const(*this).Find(cluster));
  }

  std::vector<Place> places_;         // in order
  std::vector<std::uint64_t> maybe_;  // a bit for clusters that may be among them
};

}  // namespace instar::qcow2

#endif  // FORMATS_QCOW2_EDIT_SHARED_PLACES_H_
