/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_NAMES_DOCUMENT_H
#define SOCKTALLY_NAMES_DOCUMENT_H
/*
 * The files in which runtimes write down what a container is called. Each function finds the name of the container with
 * this id in the text of one such file, and copies it, safe to print. False: it is not there, or the text is no such
 * file. What is in the text does no harm: it is parsed to a bounded depth.
 */
#include <stdbool.h>

#include "daemon/identity/question.h"

typedef bool document_name(const char *text, const char *id, char ret_name[static QUESTION_NAME_SIZE]);

/* config.v2.json of Docker; that of a container of Kubernetes is called NAMESPACE/POD/CONTAINER. */
document_name document_docker;
/* containers.json of Podman's storage, with all containers. */
document_name document_podman;
/* config.json of a bundle (the runtime specification of the Open Container Initiative), with annotations of Kubernetes'
 * runtimes or of nerdctl. */
document_name document_bundle;
/* Configuration of Proxmox: of a container, and of a virtual machine. */
document_name document_proxmox_container;
document_name document_proxmox_machine;
/* A desktop file. */
document_name document_desktop;

#endif
