// Dropout as philox.h defines it, one element at a time: factor(row, column) is 0 or 1 / (1 - p).
#ifndef NODE_BERT_REFERENCE_DROPOUT_H
#define NODE_BERT_REFERENCE_DROPOUT_H

#include <cstdint>

#include "call.h"
#include "node_bert/philox.h"

namespace node_bert::reference {

template <class S>
class Dropout {
 public:
  // The five params {p, seed_low, seed_high, step, op} start at `first`.
  Dropout(const Call& call, int first)
      : threshold_(nb_dropout_threshold(call.param(first))),
        seed_low_(static_cast<uint32_t>(call.param(first + 1))),
        seed_high_(static_cast<uint32_t>(call.param(first + 2))),
        step_(static_cast<uint32_t>(call.param(first + 3))),
        op_(static_cast<uint32_t>(call.param(first + 4))),
        scale_(static_cast<S>(nb_dropout_scale(threshold_))) {}

  S factor(int64_t row, int64_t column) const {
    if (threshold_ == 0) return S{1};
    const nb_philox_block block = nb_philox(static_cast<uint32_t>(column / 8), static_cast<uint32_t>(row), op_, step_,
                                            seed_low_, seed_high_);
    const uint32_t word = block.word[column % 8 / 2];
    const uint32_t half_word = column % 2 == 0 ? word & 0xFFFFu : word >> 16;
    return half_word < threshold_ ? S{0} : scale_;
  }

 private:
  uint32_t threshold_, seed_low_, seed_high_, step_, op_;
  S scale_;
};

}  // namespace node_bert::reference

#endif  // NODE_BERT_REFERENCE_DROPOUT_H
