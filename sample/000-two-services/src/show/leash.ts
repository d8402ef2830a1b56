// Loaded into each process besides its own code: one whose parent is gone, however it went, does not stay behind.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.channel?.unref();
