// What the tables of writers have in common.
#ifndef FORMATS_WRITER_TABLE_H_
#define FORMATS_WRITER_TABLE_H_

#include <memory>
#include <utility>

#include "formats/base/image_writer.h"

namespace instar {

template <typename Writer>
Result<std::unique_ptr<ImageWriter>> AsImageWriter(Result<std::unique_ptr<Writer>> writer) {
  if (!writer) return std::unexpected(writer.error());
  return *std::move(writer);
}

}  // namespace instar

#endif  // FORMATS_WRITER_TABLE_H_
