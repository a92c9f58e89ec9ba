// The device "cpu": oneDNN for matrix products, own kernels per instruction set for everything else.
#pragma once
#include "node_bert/backend.h"

#ifdef __cplusplus
extern "C" {
#endif
const nb_backend* nb_cpu_backend_entry(void);
#ifdef __cplusplus
}
#endif
