/* What <immintrin.h> wants; see string.h. */
#pragma once
#include "stdlib.h"
