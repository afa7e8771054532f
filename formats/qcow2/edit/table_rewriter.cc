#include "formats/qcow2/edit/table_rewriter.h"

#include <algorithm>

#include "formats/base/checked.h"
#include "formats/base/workers.h"
#include "formats/qcow2/structures/l2_entry.h"

namespace instar::qcow2 {

TableRewriter::TableRewriter(ImageChange& change)
    : change_(change), cluster_bits_(change.old_header().cluster_bits) {}

template <typename Work>
Status TableRewriter::ShareOut(std::size_t count, const Work& work) {
  constexpr std::size_t kWorthSharing = std::size_t{1} << 20;
  Workers* const workers = change_.workers();
  const unsigned shares = workers == nullptr ? 1 : workers->count();
  if (shares == 1 || count << cluster_bits_ < kWorthSharing) return work(0, count);
  std::vector<Status> results(shares);
  const std::size_t share = DivideRoundUp(count, shares);
  auto run = [&](unsigned worker) {
    const std::size_t first = std::min(count, worker * share);
    results[worker] = work(first, std::min(count, first + share));
  };
  INSTAR_TRY(RunOnAll(*workers, run));
  for (const Status& result : results) INSTAR_TRY(result);
  return {};
}

Status TableRewriter::RewriteAll(std::span<std::uint64_t> l1,
                                 std::span<const std::uint32_t> indices, EditTable edit,
                                 const void* argument) {
  const std::size_t shares = change_.workers() == nullptr ? 1 : change_.workers()->count();
  const std::size_t most = std::max<std::size_t>(kPortionBytes * shares >> cluster_bits_, 1);
  while (!indices.empty()) {
    const auto portion = indices.first(std::min(most, indices.size()));
    INSTAR_TRY(RewritePortion(l1, portion, edit, argument));
    indices = indices.subspan(portion.size());
  }
  return {};
}

Status TableRewriter::RewritePortion(std::span<std::uint64_t> l1,
                                     std::span<const std::uint32_t> indices, EditTable edit,
                                     const void* argument) {
  const std::size_t bytes = indices.size() << cluster_bits_;
  if (buffer_.size() < bytes) buffer_.resize(bytes);
  changed_.assign(indices.size(), 0);
  const auto read_and_edit = [&](std::size_t first, std::size_t end) {
    std::vector<ReadPiece> pieces;
    for (std::size_t i = first; i < end; ++i) {
      pieces.push_back({.offset = L2TableOffset(l1[indices[i]]), .out = Table(i)});
    }
    const Status read = change_.device().ReadAll(pieces);
    for (std::size_t i = first; i < end && read; ++i) {
      changed_[i] = edit(argument, Table(i)) ? 1 : 0;
    }
    return read;
  };
  INSTAR_TRY(ShareOut(indices.size(), read_and_edit));
  pieces_.clear();
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (changed_[i] == 0) continue;
    std::uint64_t& entry = l1[indices[i]];
    std::uint64_t place = L2TableOffset(entry);
    if (!change_.IsNew(place)) {
      INSTAR_ASSIGN_OR_RETURN(place, change_.Take(1));
      INSTAR_TRY(change_.ReadyToWrite({place >> cluster_bits_, 1}));
    }
    entry = EncodeL1Entry(place, /*copied=*/true);
    pieces_.push_back({.offset = place, .data = Table(i)});
  }
  const auto write = [&](std::size_t first, std::size_t end) {
    return change_.device().WriteAll(std::span(pieces_).subspan(first, end - first));
  };
  return ShareOut(pieces_.size(), write);
}

}  // namespace instar::qcow2
