// JavaScript values to C++ ones; throws CodedError with a sentence when a value is not what it must be.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "rows.h"

namespace geo2 {

/// A whole number from `least` to 2^53 - 1.
Row whole_number(const Napi::Value& value, const char* name, Row least);

/// A copy, so that the caller may change or transfer the array while the work runs.
std::vector<float> vectors(const Napi::Value& value, const char* name, int dimension);

/// Throws ERR_FAISS_NOT_FINITE and says where, when there is a NaN or an infinity.
void check_finite(const std::vector<float>& vectors, const char* name, int dimension);

/// An Int32Array or a Float64Array of whole numbers.
std::vector<Row> row_numbers(const Napi::Value& value, const char* name);

/// Undefined gives null: all rows.
RowsPtr rows(const Napi::Value& value);

}  // namespace geo2
