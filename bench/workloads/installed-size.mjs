import { installedSize } from '../npm.mjs';

/** What npm puts on the disk. */
export const installed = {
  name: 'installed size',
  async run(bench) {
    const rows = [];
    for (const tool of bench.tools.filter((one) => one.installed !== undefined)) {
      const { packages, mebibytes } = await installedSize(tool.installed);
      rows.push({
        what: 'installed in production',
        contestant: tool.name,
        value: `${mebibytes.toFixed(1)} MiB in ${packages} package${packages === 1 ? '' : 's'}`,
        figure: mebibytes,
        unit: 'MiB',
        ...(tool === bench.pulse && { target: 'installed' }),
      });
    }
    return rows;
  },
};
