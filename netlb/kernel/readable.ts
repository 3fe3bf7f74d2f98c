import koffi from 'koffi';

export interface ReadWatch {
  close(): void;
}

/**
 * Calls back whenever there is something to read, an error included: reading tells. Close it before the
 * descriptor, and keep it: it ends when it is collected. It does not keep the process alive by itself.
 */
export function watchReadable(fd: number, callback: () => void): ReadWatch {
  const listen = (status: unknown) => {
    // libuv stops watching a socket that has an error pending; reading takes the error away.
    const stopped = typeof status === 'number' && status < 0;
    callback();
    if (stopped && open) handle.start({ readable: true }, listen);
  };
  let open = true;
  const handle = koffi.node.poll(fd, { readable: true }, listen);
  handle.unref();
  return {
    close() {
      if (!open) return;
      open = false;
      handle.stop();
      handle.close();
    },
  };
}
