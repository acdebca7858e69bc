#include "gelu.h"

enum { INTERVALS = 12, TERMS = 14 };

/* erf around the middles of intervals of 1/2, lowest order first: tests/c/gelu_coefficients.py. The largest
 * error is 7.5e-17. */
static const double table[INTERVALS][TERMS] = {
    {0x1.1af54e232d608p-2, 0x1.0f5d1602f7e41p+0, -0x1.0f5d1602f7c49p-2, -0x1.3c974458cbdcep-2,
     0x1.040e8a6d43ebap-3, 0x1.47e5cfee36a9fp-4, -0x1.4c0b24e01e553p-5, -0x1.08d946be74345p-6,
     0x1.3db6bc037a307p-7, 0x1.55621f709029ap-9, -0x1.e5ce275224947p-10, -0x1.6679d221288efp-12,
     0x1.2c66356dff1d7p-12, 0x1.2f6a8b23260bcp-15},
    {0x1.6c1c9759d0e6p-1, 0x1.492e42d78d2c5p-1, -0x1.edc5644353d3ap-2, 0x1.b6e8591f668b1p-6,
     0x1.349b5eaa36c22p-3, -0x1.b42a1890a0eb8p-5, -0x1.b84779ce0673ap-6, 0x1.2e0afae9b530ep-6,
     0x1.2db3c6d57b0ddp-9, -0x1.04104485a7efbp-8, 0x1.8549c895e232fp-13, 0x1.4713cff8b7184p-11,
     -0x1.a9780a4d70aaap-14, -0x1.372fab2a1ba55p-14},
    {0x1.d8865d98abep-1, 0x1.e4652fadcb6b2p-3, -0x1.2ebf3dcc9f20cp-2, 0x1.571d01c5c576p-3,
     -0x1.93a9a7bc0b1e3p-8, -0x1.8281ce0b5d725p-5, 0x1.5d0003bca14e9p-6, 0x1.db43ca6554e5ap-9,
     -0x1.75673665077ebp-8, 0x1.cc21a7ad7d28ap-11, 0x1.a00e53b92bb61p-11, -0x1.539192b8c3af5p-12,
     -0x1.bf9b444167ad4p-15, 0x1.c8ae910f36d87p-15},
    {0x1.f92d077f8d56dp-1, 0x1.b055303221016p-5, -0x1.7a4a8a2bdcd23p-4, 0x1.7148c3d57c26ep-4,
     -0x1.8a0da5432404dp-5, 0x1.b22257dda5c39p-8, 0x1.25b378f60f46ap-7, -0x1.8d10fba945f4bp-8,
     0x1.7ec151a1076fbp-11, 0x1.d4cf632c29957p-11, -0x1.d02a7143f3b62p-12, -0x1.717f97218bc12p-18,
     0x1.1bc3fac33ba5cp-14, -0x1.1d7248362f9a5p-16},
    {0x1.ff404760319b4p-1, 0x1.d4143a9dfe964p-8, -0x1.074b60f8df6p-6, 0x1.63ef61e8244dp-6,
     -0x1.38a983275d90ap-6, 0x1.5d3b17bbcb923p-7, -0x1.7cae0dc8354c7p-9, -0x1.5f8313369b94p-11,
     0x1.060311ded2fadp-10, -0x1.8352faf51808cp-12, -0x1.82e4f2dfc26d5p-17, 0x1.11430333dd2cep-14,
     -0x1.702bdc9e51f47p-16, -0x1.971515026dcb1p-20},
    {0x1.fff2cfb0453d9p-1, 0x1.3360ccd23db3ap-11, -0x1.a6a519a1141fcp-10, 0x1.69cf466ccdf6ap-9,
     -0x1.ab0c273b1e09dp-9, 0x1.69359606645b3p-9, -0x1.b2755bb8a9513p-10, 0x1.52b6263fbd742p-11,
     -0x1.7558373217ba9p-14, -0x1.2abb3d9b15bcp-14, 0x1.cd7d4fcafc3fp-15, -0x1.09d0591ac5944p-16,
     -0x1.5468e85e2ac53p-20, 0x1.68a9225d22a6dp-19},
    {0x1.ffff6f9f67e55p-1, 0x1.e9b5e8d00ce8p-16, -0x1.8de3cd290a73dp-14, 0x1.9aa489e3ca63dp-13,
     -0x1.2c7d5ef055e79p-12, 0x1.490a4d2345c9dp-12, -0x1.145464e9779c6p-12, 0x1.647f71f2bfb67p-13,
     -0x1.56747a3658eefp-14, 0x1.b2c35b1c8c428p-16, -0x1.3892597fae0ep-19, -0x1.809bd02211cc8p-19,
     0x1.ff2f44a582fbfp-20, -0x1.1e7cc89ce34dfp-21},
    {0x1.fffffc2f171e3p-1, 0x1.d9371e2ff7bf9p-21, -0x1.bba3ac4d09ef3p-19, 0x1.0b6a7b0f1cc93p-17,
     -0x1.d06f585c2a096p-17, 0x1.3436bc9f0bfd4p-16, -0x1.4357b6283bdc8p-16, 0x1.110de4e13c93dp-16,
     -0x1.756673518e649p-17, 0x1.99f593d6ebea4p-18, -0x1.5d84b7ace6496p-19, 0x1.a06761d95439fp-21,
     -0x1.5af853fcc44f9p-24, -0x1.037beec04147dp-24},
    {0x1.fffffff01a8b6p-1, 0x1.155a09065d4b8p-26, -0x1.26afa9969cfe5p-24, 0x1.95ea6fdffe3e1p-23,
     -0x1.96ba73704b1cdp-22, 0x1.3b468018fcb3p-21, -0x1.8868e007d1663p-21, 0x1.916e9278424b6p-21,
     -0x1.566f53e2e3d29p-21, 0x1.eab4cd71f6037p-22, -0x1.274995d04577p-22, 0x1.27de23e0bfae1p-23,
     -0x1.e5c991e5e2c8bp-25, 0x1.2496c69a00a91p-26},
    {0x1.ffffffffd759dp-1, 0x1.8a61745ec8f2p-33, -0x1.d453ba2b3161ap-31, 0x1.6a8aeba4080a2p-29,
     -0x1.9b017b676396bp-28, 0x1.6b43c96e96861p-27, -0x1.042f1a55895f4p-26, 0x1.35dc7dedbca55p-26,
     -0x1.3837c2aa9a457p-26, 0x1.0d4de0d7704f3p-26, -0x1.9023c176e7847p-27, 0x1.01b972fdd330ap-27,
     -0x1.2b16d7ad70ecp-28, 0x1.19bad55fa1f3bp-29},
    {0x1.ffffffffffc05p-1, 0x1.5422ef5d93bf3p-40, -0x1.be6dda0811a22p-38, 0x1.7f8a0f3a22a32p-36,
     -0x1.e4cb4f4016672p-35, 0x1.e044b4eb32629p-34, -0x1.83e9e3bb0bf59p-33, 0x1.065940b2186f7p-32,
     -0x1.2ece90764a656p-32, 0x1.2e3ca696517a6p-32, -0x1.06a8f54ec88c1p-32, 0x1.935d883f87f62p-33,
     -0x1.254b061ef2857p-33, 0x1.5a5a77795b393p-34},
    {0x1.ffffffffffffcp-1, 0x1.63daf8b4f56dfp-48, -0x1.ff8ac4cc9348p-46, 0x1.e2d06d55f8efbp-44,
     -0x1.505da0a5a71fap-42, 0x1.70b70451091d2p-41, -0x1.4aec562c51252p-40, 0x1.f3c4f7d4b2dfbp-40,
     -0x1.43d985e0ceaf4p-39, 0x1.6d26b2b537a5ep-39, -0x1.681576291af3dp-39, 0x1.3dc604ba24573p-39,
     -0x1.145fb31cc77cap-39, 0x1.7ec7f88c56bb2p-40},
};

/* erf(|x|); from 6 on it is 1. A NaN stays one. */
static double erf_of_magnitude(double x)
{
    if (x >= 6.0)
        return 1.0;
    if (!(x >= 0.0))
        return x;
    const int interval = (int)(x * 2.0);
    const double *c = table[interval];
    const double t = x - (interval * 0.5 + 0.25);
    double sum = c[TERMS - 1];
    for (int k = TERMS - 2; k >= 0; k--)
        sum = sum * t + c[k];
    return sum;
}

static double gelu(double x)
{
    const double scaled = x * 0.70710678118654752440;
    const double value = erf_of_magnitude(scaled < 0.0 ? -scaled : scaled);

    return 0.5 * x * (1.0 + (scaled < 0.0 ? -value : value));
}

void gelu_f32(const float *x, float *out, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++)
        out[i] = (float)gelu((double)x[i]);
}

void gelu_f64(const double *x, double *out, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++)
        out[i] = gelu(x[i]);
}
