import { isFault, type ReadFile, readNumbers } from "./sysfs_files.ts";

/**
 * KiB of free huge pages of `pageKiB` on a NUMA node; undefined where there are none of that size. See the kernel's
 * Documentation/admin-guide/mm/hugetlbpage.rst.
 */
export function freeHugePages(read: ReadFile, node: number, pageKiB: number): number | undefined {
  const numbers = readNumbers(
    read,
    `devices/system/node/node${node}/hugepages/hugepages-${pageKiB}kB/free_hugepages`,
  );
  return isFault(numbers) ? undefined : (numbers[0] ?? 0) * pageKiB;
}
