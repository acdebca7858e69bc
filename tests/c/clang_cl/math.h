/* See string.h. */
#pragma once

double sqrt(double x);
float sqrtf(float x);
