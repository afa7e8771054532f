#include "cli/stop.h"

#include "cli/program.h"

namespace instar::cli {

int Conclude(const Stop& stop) {
  switch (stop.kind) {
    case Stop::Kind::kAnswer:
      return PrintOutput(stop.text);
    case Stop::Kind::kOption:
    case Stop::Kind::kUsage:
      return PrintUsageError(stop.text, {}, {});
    case Stop::Kind::kError:
      return PrintError(stop.text);
  }
  return 1;
}

}  // namespace instar::cli
