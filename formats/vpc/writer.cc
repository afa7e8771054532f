#include "formats/vpc/writer.h"

#include "formats/vpc/dynamic_writer.h"
#include "formats/vpc/fixed_writer.h"
#include "formats/vpc/writer_options.h"

namespace instar::vpc {

Result<std::unique_ptr<ImageWriter>> CreateWriter(const CreateOptions& options) {
  INSTAR_ASSIGN_OR_RETURN(const WriterOptions parsed, WriterOptions::From(options));
  if (options.target == nullptr) return InvalidArgument("there is no target to write");
  if (parsed.fixed) return std::make_unique<FixedWriter>(parsed, *options.target);
  return std::make_unique<DynamicWriter>(parsed, *options.target);
}

}  // namespace instar::vpc
