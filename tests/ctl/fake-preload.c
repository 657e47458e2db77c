/*
 * fake-preload.c: stands for the shim where only its path matters
 */
extern const int fake_preload;
const int fake_preload = 1;
