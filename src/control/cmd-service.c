/*
 * cmd-service.c: org.varlink.service: GetInfo, GetInterfaceDescription
 */
#include <string.h>

#include "cmd.h"
#include "interfaces.h"
#include "varlink.h"

static const struct {
	const char *name, *text;
} interfaces[] = {
	{ CMD_SERVICE, interface_service },
	{ CMD_INTERFACE, interface_pagerd },
};

#define NINTERFACES (sizeof(interfaces) / sizeof(interfaces[0]))

static void
get_info(struct call *call)
{
	json_t *names = json_array();
	size_t i;

	for (i = 0; i < NINTERFACES; i++)
		json_array_append_new(names, json_string(interfaces[i].name));
	call_reply(call,
	    json_pack("{s:s, s:s, s:s, s:s, s:o}", "vendor", "pagerd",
		"product", "pagerd", "version", PAGERD_VERSION, "url",
		"man:pagerd(8)", "interfaces", names));
}

static void
get_interface(struct call *call)
{
	const char *name = call_string(call, "interface");
	size_t i;

	for (i = 0; i < NINTERFACES; i++) {
		if (strcmp(interfaces[i].name, name) == 0) {
			call_reply(call, json_pack("{s:s}", "description",
					     interfaces[i].text));
			return;
		}
	}
	call_error(call, CMD_SERVICE ".InterfaceNotFound",
	    json_pack("{s:s}", "interface", name));
}

const struct cmd cmd_get_info = {
	.interface = CMD_SERVICE,
	.name = "GetInfo",
	.run = get_info,
};

const struct cmd cmd_get_interface = {
	.interface = CMD_SERVICE,
	.name = "GetInterfaceDescription",
	.params = { { "interface", CMD_STRING, false } },
	.run = get_interface,
};
