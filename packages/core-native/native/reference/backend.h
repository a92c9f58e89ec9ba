// The built-in device "reference": see backend.cc.
#ifndef NODE_BERT_REFERENCE_BACKEND_H
#define NODE_BERT_REFERENCE_BACKEND_H

#include "node_bert/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

const nb_backend* nb_reference_backend_entry(void);

#ifdef __cplusplus
}
#endif
#endif  // NODE_BERT_REFERENCE_BACKEND_H
