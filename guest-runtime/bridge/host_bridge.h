// The pure planners' Host over a call table. Pure: the guest images and the inline executor share
// it.
#ifndef GUEST_RUNTIME_BRIDGE_HOST_BRIDGE_H_
#define GUEST_RUNTIME_BRIDGE_HOST_BRIDGE_H_

#include "instar/abi/call_table.h"
#include "instar/host.h"
#include "instar/requests.h"

namespace instar {

class CallTableHost final : public Host {
 public:
  explicit CallTableHost(const instar_call_table& table) : table_(table) {}

  Result<DeviceInfo> Info(DeviceId device) override;
  Result<DeviceId> OpenReference(DeviceId parent, std::string_view name,
                                 ReferenceRole role) override;
  Status Resize(DeviceId device, std::uint64_t size_bytes, Preallocation preallocation) override;
  Status WriteRoot(DeviceId device, std::uint64_t offset, std::span<const std::byte> data) override;
  Status ResizeRoot(DeviceId device, std::uint64_t size_bytes,
                    Preallocation preallocation) override;
  Status Flush(DeviceId device) override;
  Status Read(std::span<const ReadRequest> requests) override;
  Status Write(std::span<const WriteRequest> requests) override;
  Status Transfer(std::span<const TransferStep> steps) override;
  Status ScanZero(std::span<const ScanRange> ranges, std::uint64_t unit_bytes,
                  std::span<std::uint64_t> bitmap) override;
  Result<std::size_t> NextRuns(DeviceId device, std::uint64_t offset, std::uint64_t max_length,
                               std::uint64_t unit_bytes, std::span<FileRun> runs) override;
  Result<std::optional<std::uint64_t>> Compare(const ScanRange& a, const ScanRange& b) override;
  Status Emit(std::span<const std::byte> records) override;
  Status Progress(std::uint64_t done, std::uint64_t total) override;
  [[nodiscard]] unsigned max_workers() const override { return table_.max_workers; }
  Status Parallel(unsigned workers, void (*function)(void* argument, unsigned worker),
                  void* argument) override;
  void Yield() override { table_.yield(table_.context); }

 private:
  const instar_call_table& table_;
};

// Tells the table how a verb ended: finish, or fail with the error.
void ReportEnd(const instar_call_table& table, const Status& status);

// Runs the planner `verb` on the request as received. Ends through the table.
template <typename Request>
void RunVerb(const instar_call_table& table, Status (*verb)(Host&, const Request&),
             std::span<const std::byte> request) {
  if (table.magic != INSTAR_ABI_MAGIC || table.version != INSTAR_ABI_VERSION ||
      table.size < sizeof(instar_call_table)) {
    __builtin_trap();
  }
  CallTableHost host(table);
  ReportEnd(table, verb(host, DecodeRequest<Request>(request)));
}

}  // namespace instar

#endif  // GUEST_RUNTIME_BRIDGE_HOST_BRIDGE_H_
