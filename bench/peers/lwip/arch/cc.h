#ifndef SKBUFF_BENCH_CC_H
#define SKBUFF_BENCH_CC_H

#include <stdio.h>
#include <stdlib.h>

#define LWIP_PLATFORM_DIAG(x) do { printf x; } while (0)
#define LWIP_PLATFORM_ASSERT(x) do { printf("assertion \"%s\"\n", x); abort(); } while (0)
#define BYTE_ORDER LITTLE_ENDIAN
#define LWIP_RAND() ((u32_t)rand())

#endif
