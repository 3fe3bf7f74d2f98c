/** The driver option by which an overlay network is encrypted, as Docker has it: `--opt encrypted`. */
export const ENCRYPTED_OPTION = 'encrypted';

export const isEncrypted = (driverOptions: Readonly<Record<string, string>>): boolean =>
  ENCRYPTED_OPTION in driverOptions && driverOptions[ENCRYPTED_OPTION] !== 'false';
