// What the disk of a target that is kept (-n) holds where it is not written: opened, with all that
// lies below it, when it is first asked for, which is seldom.
#ifndef INSTAR_CONVERT_KEPT_CONTENT_H_
#define INSTAR_CONVERT_KEPT_CONTENT_H_

#include <cstdint>
#include <memory>
#include <span>

#include "disk/chain_content.h"
#include "formats/base/disk_content.h"
#include "instar/chain.h"
#include "instar/host.h"
#include "instar/requests.h"

namespace instar::convert {

class KeptContent final : public DiskContent {
 public:
  // `host` must outlive this.
  KeptContent(Host& host, const ConvertRequest& request)
      : host_(host),
        target_{request.target, request.target_format},
        data_file_(request.target_data_file),
        max_depth_(request.max_chain_depth) {}

  Status Read(std::uint64_t offset, std::span<std::byte> out) override;

 private:
  Status Open();

  Host& host_;
  const ImageSource target_;
  const DeviceId data_file_;
  const std::uint64_t max_depth_;
  std::unique_ptr<Chain> chain_;
  std::unique_ptr<HostDevice> attached_;  // the data file
  std::unique_ptr<disk::ChainContent> content_;
};

}  // namespace instar::convert

#endif  // INSTAR_CONVERT_KEPT_CONTENT_H_
