/** The SQL of the embedded server's first start. */

/** Cannot run inside a transaction, nor be prepared; the name is an identifier that the driver has quoted. */
export const createDatabaseText = (name: string): string => `create database ${name}`;
