// Takes the one object that a verb tells of its result.
#ifndef LIBINSTAR_VMM_SRC_REPORT_ONE_RECORD_H_
#define LIBINSTAR_VMM_SRC_REPORT_ONE_RECORD_H_

#include <optional>
#include <span>
#include <vector>

#include "instar/vmm/report.h"
#include "report/record_reader.h"
#include "report/record_sink.h"
#include "report/report_builder.h"
#include "report/report_store.h"

namespace instar::vmm {

// `Record`: one of instar/result_records.h.
template <typename Record>
class OneRecord final : public RecordReceiver {
 public:
  // Some numbers and messages; whatever is larger was made up.
  static constexpr std::size_t kMaxBytes = 64 << 10;

  // `optional`: a guest need not tell anything.
  explicit OneRecord(bool optional = false) : complete_(optional) {}

  RecordVerdict Accept(std::span<const std::byte> batch) override { return builder_.Accept(batch); }
  bool Complete() override {
    const auto objects = builder_.Take();
    if (!objects) return complete_ = false;
    if (!objects->empty()) Read(*objects);
    return complete_;
  }

  // What was told, once that is complete; views in it live as long as this.
  [[nodiscard]] const Record& record() const { return record_; }

 private:
  void Read(const std::vector<ReportTree>& objects) {
    tree_ = objects.front();
    complete_ = objects.size() == 1 && ReportStore::StoreOf(tree_)->records.size() <= kMaxBytes &&
                ReadRecord(tree_, record_);
  }

  ReportBuilder builder_;
  ReportTree tree_;
  Record record_;
  bool complete_;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_REPORT_ONE_RECORD_H_
