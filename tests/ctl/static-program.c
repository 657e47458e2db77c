/*
 * static-program.c: a program that the shim cannot enter
 */
int
main(void)
{
	return 6;
}
