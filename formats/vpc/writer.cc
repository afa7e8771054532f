#include "formats/vpc/dynamic_image_editor.h"
#include "formats/vpc/dynamic_writer.h"
#include "formats/vpc/fixed_writer.h"
#include "formats/vpc/format.h"
#include "formats/vpc/image.h"
#include "formats/vpc/writer_options.h"

namespace instar::vpc {

Result<std::unique_ptr<ImageWriter>> CreateWriter(const CreateOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(const WriterOptions parsed, WriterOptions::From(options));
  if (parsed.fixed) return std::make_unique<FixedWriter>(parsed, *options.target, false);
  return std::make_unique<DynamicWriter>(parsed, *options.target);
}

Result<std::unique_ptr<ImageWriter>> OpenEditor(const CreateOptions& options) {
  if (options.compress) return InvalidArgument("VHD images cannot be compressed");
  INSTAR_ASSIGN_OR_RETURN(const Layout layout, Layout::ReadFrom(*options.target));
  if (!layout.is_fixed()) {
    return DynamicImageEditor::Create(layout, *options.target, options.virtual_size_bytes);
  }
  if (layout.virtual_bytes < options.virtual_size_bytes) {
    return MakeError(ErrorCode::kNoSpace,
                     "the target disk has {0} bytes, but {1} are to be written",
                     layout.virtual_bytes, options.virtual_size_bytes);
  }
  const WriterOptions existing{.fixed = true, .virtual_bytes = layout.virtual_bytes};
  return std::make_unique<FixedWriter>(existing, *options.target, true);
}

}  // namespace instar::vpc
