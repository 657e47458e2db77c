/*
 * imagefile.h: what a client gave us to map
 *
 * => control thread
 */
#ifndef IMAGEFILE_H
#define IMAGEFILE_H

struct mail_file;

/*
 * imagefile_look: is it a file that can be read as one, and which?
 *
 * => does not wait for its file system: who maps it has looked at it just
 *    before, and what the kernel knows since is new enough
 * => on success file->fd is fd
 * => 0; -EACCES: not open for reading; -EINVAL: no regular file, nor a block
 *    device; -errno
 */
int imagefile_look(int fd, struct mail_file *file);

#endif
