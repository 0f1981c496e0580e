# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Virtual machines with a Debian suite's own kernel, userland and libraries, emulated (TCG). The source is compiled in a
# tree of that suite if it is not this machine's own, installed into a tree that has only what the service needs, and
# that becomes the one disk. Sourced by vm.sh, which sets $scratch and sources machine.sh.

vm_packages=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,polkitd,kmod,iproute2,jq,libbpf1,libelf1,zlib1g
vm_packages+=,libsystemd0,libjson-c5,libsmartcols1,libncursesw6
vm_programs=(system/traffic system/reader live/live)
vm_suite=   # whose userland and libraries
vm_kernel=  # path of vmlinuz
vm_initrd=  # none: the kernel has all it needs to find the disk
vm_disk=
vm_pid=     # the emulator

# Prints why there can be no virtual machine here, or nothing.
vm_obstacle() {
        local tool
        [ "$(id -u)" = 0 ] || { echo "only root can make a machine's disk"; return; }
        for tool in qemu-system-x86_64 mmdebstrap mkfs.ext4 busybox depmod; do
                command -v $tool >/dev/null || { echo "$tool is missing"; return; }
        done
        # shellcheck source=/dev/null
        [ "$(. /etc/os-release && echo "$ID")" = debian ] || echo "other suites' packages are had on Debian only"
}

# Finds kernel and packages. What it cannot have it says, exit code 77: no fault.
vm_choose() { # MACHINE
        local kernel_suite=$1 flavour=cloud
        case $1 in
        *-generic | *-rt) kernel_suite=${1%-*} flavour=${1##*-} ;;
        backports) kernel_suite=trixie-backports ;;
        esac
        vm_suite=${kernel_suite%-backports}
        vm_kernel=$("$srcdir/tests/guest/fetch-kernel" "$kernel_suite" "$flavour" 2>"$scratch/fetch.log") && vm_make_trees
}

# One with what the service needs, another one to compile in.
vm_make_trees() {
        machine_make_tree "$vm_suite" "$vm_packages" &&
                { vm_is_own_suite || machine_make_tree "$vm_suite" "$(vm_build_packages)"; } && return
        cp "$scratch/mmdebstrap.log" "$scratch/fetch.log"
        return 77
}

vm_is_own_suite() {
        [ "$(machine_own_suite)" = "$vm_suite" ]
}

vm_build_packages() {
        "$srcdir/build-aux/install-packages" --list build | paste -sd,
}

# Runs a shell's commands where programs for the suite are compiled: here, or in its tree. Source, build and the
# machine's root have the same path in both.
vm_compile() { # COMMANDS
        local room=$scratch/compile directory
        ! vm_is_own_suite || { sh -ec "$1"; return; }
        mkdir -p "$room"
        machine_mount "$(machine_tree "$vm_suite" "$(vm_build_packages)")" "$room"
        for directory in /dev /proc "$srcdir" "$builddir" "$machine_root"; do
                mkdir -p "$room/root$directory"
                mount --rbind "$directory" "$room/root$directory"
        done
        chroot "$room/root" sh -ec "$1"
        local status=$?
        umount --recursive "$room"
        return $status
}

# What a package's installation does, without what README says to do after make install.
vm_install() {
        local build=$builddir/suites/$vm_suite program targets=() installs=
        ! vm_is_own_suite || build=$builddir
        mkdir -p "$build"
        for program in "${vm_programs[@]}"; do
                targets+=("tests/$program")
                installs+="$build/libtool --quiet --mode=install install tests/$program $machine_root/usr/local/bin/${program#*/}
"
        done
        vm_compile "cd $build
                [ -f config.status ] || $srcdir/configure -q --prefix=/usr --sysconfdir=/etc --localstatedir=/var --enable-werror
                make -j$(nproc) AUTOMAKE=: ACLOCAL=: AUTOCONF=: AUTOHEADER=: all ${targets[*]}
                make AUTOMAKE=: ACLOCAL=: AUTOCONF=: AUTOHEADER=: install DESTDIR=$machine_root
                $installs" >"$scratch/install.log" 2>&1
}

# The script that runs in there, what it needs, and the unit that starts it.
vm_furnish() {
        local units=$machine_root/etc/systemd/system
        install -D -t "$machine_root/usr/local/lib/vm" "$srcdir/tests/system/"{vm-inside.sh,vm-daemon.sh,cases.sh,check.sh} &&
                cp "$srcdir/README.md" "$machine_root/usr/local/lib/vm/" && mkdir -p "$units/multi-user.target.wants" || return
        cat >"$units/vm-inside.service" <<'END'
[Unit]
After=multi-user.target socktally.service

[Service]
ExecStart=/usr/local/lib/vm/vm-inside.sh
ExecStopPost=systemctl poweroff --no-block
StandardOutput=file:/dev/ttyS1
StandardError=inherit
Environment=LC_ALL=C.UTF-8 HOME=/root
END
        # An emulated processor on a busy machine gets little done in 90 s; how long it took is in the result.
        mkdir -p "$units/socktally.service.d" && printf '[Service]\nTimeoutStartSec=300s\nWatchdogSec=300s\n' \
                >"$units/socktally.service.d/emulated.conf"
        mkdir -p "$machine_root/etc/dbus-1/system.d" && echo '<busconfig><limit name="service_start_timeout">300000</limit></busconfig>' \
                >"$machine_root/etc/dbus-1/system.d/emulated.conf"
        ln -sf ../vm-inside.service "$units/multi-user.target.wants/"
        echo localhost >"$machine_root/etc/hostname"
        ln -sf /dev/null "$units/systemd-networkd-wait-online.service"
        vm_furnish_modules
}

vm_modules() {
        local root=${vm_kernel%/boot/*} version=${vm_kernel##*/vmlinuz-}
        find "$root/lib/modules/$version" "$root/usr/lib/modules/$version" -maxdepth 0 2>/dev/null | head -n 1
}

# What the network may want of the kernel's modules; the whole is five times as large.
vm_furnish_modules() {
        local root target=$machine_root/usr/lib/modules/${vm_kernel##*/vmlinuz-} name
        root=$(vm_modules)
        mkdir -p "$target/kernel"
        for name in modules.builtin modules.builtin.modinfo modules.order kernel/net kernel/fs kernel/crypto kernel/lib; do
                [ ! -e "$root/$name" ] || cp -r "$root/$name" "$target/$name" || return
        done
        depmod -b "$machine_root/usr" "${target##*/}"
}

# For kernels that find no disk by themselves: loads the modules of make-initramfs, mounts, goes over.
vm_make_initrd() {
        local tree=$scratch/initrd
        vm_initrd=
        [ -n "$(find "$(vm_modules)" -name 'nvme.ko*' -o -name 'ext4.ko*')" ] || return 0
        mkdir -p "$tree"
        cat >"$tree/init" <<'END'
#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /dev /disk /proc
$b mount -t devtmpfs devtmpfs /dev
for module in /modules/*.ko; do $b insmod "$module"; done
until [ -b /dev/nvme0n1 ]; do $b sleep 0.1; done
$b mount -t ext4 /dev/nvme0n1 /disk && $b mount --move /dev /disk/dev && exec $b switch_root /disk /lib/systemd/systemd
END
        chmod 755 "$tree/init"
        "$srcdir/tests/guest/make-initramfs" -o "$scratch/modules.cpio" -k "$vm_kernel" -m nvme -m ext4 &&
                (cd "$tree" && echo init | busybox cpio -o -H newc 2>/dev/null) >"$scratch/init.cpio" &&
                cat "$scratch/modules.cpio" "$scratch/init.cpio" >"$scratch/initrd.cpio" && vm_initrd=$scratch/initrd.cpio
}

# Mounts what becomes the disk: $machine_root.
vm_mount_root() {
        mkdir -p "$scratch/machine"
        machine_root=$scratch/machine/root
        machine_mount "$(machine_tree "$vm_suite" "$vm_packages")" "$scratch/machine"
}

# A whole machine on one disk, not booted yet. What went wrong is in install.log.
vm_make_disk() {
        vm_disk=$scratch/disk
        vm_mount_root && vm_install && vm_furnish >>"$scratch/install.log" 2>&1 && vm_make_initrd >>"$scratch/install.log" 2>&1 &&
                mkfs.ext4 -q -F -O ^has_journal -m 0 -d "$machine_root" "$vm_disk" \
                        $(($(du -sm "$machine_root" | cut -f1) * 5 / 4 + 80))M >>"$scratch/install.log" 2>&1
        local status=$?
        umount --recursive "$scratch/machine"
        return $status
}

# Boots it and waits until it powers off; SECONDS at most. Its second serial port is $scratch/result.
vm_run() { # SECONDS CONSOLE KERNEL-OPTIONS
        local cpu=max,-cx16 arguments=()
        # Linux 6.19 and later ask for the instruction that QEMU 7.2 gets wrong now and then: see tests/guest/run-guest.
        case ${vm_kernel##*/vmlinuz-} in [0-5].* | 6.?.* | 6.1[0-8]*) ;; *) cpu=max ;; esac
        [ -z "$vm_initrd" ] || arguments=(-initrd "$vm_initrd")
        : >"$scratch/result"
        timeout -k 5 "$1" qemu-system-x86_64 -accel tcg,thread=multi,tb-size=256 -cpu $cpu -smp 2 -m 1024 -nodefaults \
                -no-user-config -no-reboot -display none -serial "file:$2" -serial "file:$scratch/result" \
                -drive "if=none,id=disk,file=$scratch/running,format=raw,cache=unsafe" -device nvme,drive=disk,serial=1 \
                -kernel "$vm_kernel" "${arguments[@]}" -append "console=ttyS0 root=/dev/nvme0n1 rw init=/lib/systemd/systemd quiet
                        panic=-1 oops=panic systemd.getty_auto=no systemd.mask=getty@tty1.service $3" </dev/null >"$scratch/qemu.log" 2>&1 &
        vm_pid=$!
        wait $vm_pid
        vm_pid=
}

vm_stop() {
        [ -z "$vm_pid" ] || { kill "$vm_pid"; wait "$vm_pid"; } 2>/dev/null
        vm_pid=
}
