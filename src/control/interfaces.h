/*
 * interfaces.h: the .varlink files, as text; made by embed.py
 */
#ifndef INTERFACES_H
#define INTERFACES_H

extern const char interface_service[]; /* org.varlink.service.varlink */
extern const char interface_pagerd[];  /* tbl/org.pagerd.varlink */

#endif
