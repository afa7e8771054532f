// Passing on a failure in one line, as INSTAR_TRY and INSTAR_ASSIGN_OR_RETURN of
// formats/base/error.h do in pure code.
#ifndef LIBINSTAR_VMM_SRC_OPERATION_STATUS_MACROS_H_
#define LIBINSTAR_VMM_SRC_OPERATION_STATUS_MACROS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <utility>

// Returns the absl::Status that `expression` is, unless it is OK.
#define INSTAR_RETURN_IF_ERROR(expression)                \
  do {                                                    \
    if (absl::Status error = (expression); !error.ok()) { \
      return error;                                       \
    }                                                     \
  } while (false)

// Declares or assigns `target` from the absl::StatusOr that `expression` is, or returns its status.
#define INSTAR_ASSIGN_OR_RETURN_STATUS(target, expression) \
  INSTAR_ASSIGN_STATUS_(INSTAR_STATUS_NAME_(result_, __LINE__), target, expression)

#define INSTAR_STATUS_NAME_(name, line) INSTAR_STATUS_NAME_OF_(name, line)
#define INSTAR_STATUS_NAME_OF_(name, line) name##line
#define INSTAR_ASSIGN_STATUS_(result, target, expression) \
  auto result = (expression);                             \
  if (!result.ok()) return result.status();               \
  target = *std::move(result)

#endif  // LIBINSTAR_VMM_SRC_OPERATION_STATUS_MACROS_H_
