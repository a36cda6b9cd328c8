/** `--interface`: which network workers and coordinator talk over, the same name on all hosts. */
export const interfaceOption = {
  type: 'string',
  default: process.env.LOCKSTEP_INTERFACE,
  defaultDescription: '$LOCKSTEP_INTERFACE',
  describe: 'Listen at the address of this network interface, such as ib0',
} as const;
