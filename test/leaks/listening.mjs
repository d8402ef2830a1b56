/** @returns what a server says of itself once it listens */
export function listening(server) {
  return new Promise((resolve, reject) => {
    server.listen((error, info) => {
      if (error instanceof Error) reject(error);
      else resolve(info);
    });
  });
}
