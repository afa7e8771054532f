#include "convert/kept_content.h"

#include "edit/edited_image.h"

namespace instar::convert {

Status KeptContent::Open() {
  INSTAR_ASSIGN_OR_RETURN(chain_, edit::OpenChain(host_, target_, max_depth_));
  INSTAR_ASSIGN_OR_RETURN(attached_, edit::AttachDataFile(host_, *chain_, data_file_));
  content_ = std::make_unique<disk::ChainContent>(host_, *chain_);
  return {};
}

Status KeptContent::Read(std::uint64_t offset, std::span<std::byte> out) {
  if (content_ == nullptr) INSTAR_TRY(Open());
  return content_->Read(offset, out);
}

}  // namespace instar::convert
