"""Numbers of the operating system's own headers."""
cdef extern from *:
    """
    #include <sys/socket.h>
    #include <netinet/in.h>
    #include <netinet/tcp.h>
    #include <sys/time.h>
    #include <sys/ioctl.h>
    #ifdef __linux__
    #include <linux/sockios.h>
    #endif
    #ifndef SIOCINQ
    #define SIOCINQ FIONREAD
    #endif
    #ifndef SIOCOUTQ
    #define SIOCOUTQ TIOCOUTQ
    #endif
    #ifndef SIOCOUTQNSD
    #define SIOCOUTQNSD 0x894B
    #endif
    #ifndef TCP_KEEPIDLE
    #define TCP_KEEPIDLE TCP_KEEPALIVE
    #endif
    #ifndef TCP_USER_TIMEOUT
    #define TCP_USER_TIMEOUT 18     /* Linux's number, where the system has none */
    #endif
    #ifndef SO_DOMAIN
    #define SO_DOMAIN 39
    #endif
    #ifndef SO_PROTOCOL
    #define SO_PROTOCOL 38
    #endif
    #ifndef TCP_INFO
    #define TCP_INFO 11
    #endif
    #ifndef TCP_MD5SIG
    #define TCP_MD5SIG 14
    #endif
    #ifndef TCP_MD5SIG_EXT
    #define TCP_MD5SIG_EXT 32
    #endif
    #ifndef TCP_LINGER2
    #define TCP_LINGER2 8
    #endif
    #ifndef TCP_CORK
    #define TCP_CORK 3
    #endif
    #ifndef TCP_QUICKACK
    #define TCP_QUICKACK 12
    #endif
    #ifndef TCP_FASTOPEN
    #define TCP_FASTOPEN 23
    #endif
    #ifndef TCP_FASTOPEN_CONNECT
    #define TCP_FASTOPEN_CONNECT 30
    #endif
    #ifndef TCP_FASTOPEN_KEY
    #define TCP_FASTOPEN_KEY 33
    #endif
    #ifndef TCP_FASTOPEN_NO_COOKIE
    #define TCP_FASTOPEN_NO_COOKIE 34
    #endif
    #ifndef MSG_FASTOPEN
    #define MSG_FASTOPEN 0x20000000
    #endif
    #ifndef TCP_DEFER_ACCEPT
    #define TCP_DEFER_ACCEPT 9
    #endif
    #ifndef TCP_LINGER2
    #define TCP_LINGER2 8
    #endif
    #ifndef TCP_SYNCNT
    #define TCP_SYNCNT 7
    #endif
    #ifndef TCP_WINDOW_CLAMP
    #define TCP_WINDOW_CLAMP 10
    #endif
    #ifndef TCP_NOTSENT_LOWAT
    #define TCP_NOTSENT_LOWAT 25
    #endif
    #ifndef SO_MAX_PACING_RATE
    #define SO_MAX_PACING_RATE 47
    #endif
    #ifndef TCP_CONGESTION
    #define TCP_CONGESTION 13
    #endif
    #ifndef TCP_INQ
    #define TCP_INQ 36
    #endif
    #ifndef SO_PEEK_OFF
    #define SO_PEEK_OFF 42
    #endif
    #ifndef SO_TIMESTAMPING
    #define SO_TIMESTAMPING 37
    #endif
    #ifndef SO_ZEROCOPY
    #define SO_ZEROCOPY 60
    #endif
    #ifndef IP_RECVERR
    #define IP_RECVERR 11
    #endif
    #ifndef MSG_ERRQUEUE
    #define MSG_ERRQUEUE 0x2000
    #endif
    #ifndef MSG_ZEROCOPY
    #define MSG_ZEROCOPY 0x4000000
    #endif
    #ifndef MSG_MORE
    #define MSG_MORE 0x8000
    #endif
    """
    enum:
        AF_INET, SOCK_STREAM, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_CLOEXEC
        IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP
        SHUT_RD, SHUT_WR, SHUT_RDWR
        MSG_PEEK, MSG_TRUNC, MSG_CTRUNC, MSG_DONTWAIT, MSG_WAITALL, MSG_OOB, MSG_MORE, MSG_EOR, MSG_ERRQUEUE, MSG_ZEROCOPY, MSG_FASTOPEN
        SOL_SOCKET, SO_ERROR, SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_REUSEADDR, SO_REUSEPORT, SO_KEEPALIVE
        SO_SNDBUF, SO_RCVBUF, SO_LINGER, SO_RCVTIMEO, SO_SNDTIMEO
        SO_ACCEPTCONN, SO_BROADCAST
        TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT, TCP_MAXSEG, TCP_INFO
        TCP_CORK, TCP_QUICKACK, TCP_DEFER_ACCEPT, TCP_LINGER2, TCP_MD5SIG, TCP_MD5SIG_EXT, TCP_SYNCNT, TCP_WINDOW_CLAMP, TCP_NOTSENT_LOWAT, TCP_INQ
        TCP_CONGESTION, SO_MAX_PACING_RATE
        TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_KEY, TCP_FASTOPEN_NO_COOKIE
        SO_RCVLOWAT, SO_SNDLOWAT, SO_OOBINLINE, SO_PEEK_OFF, SO_TIMESTAMPING, SO_ZEROCOPY, IP_RECVERR
        IP_TTL, IP_TOS
        SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK
    struct linger:
        int l_onoff
        int l_linger
    struct timeval:
        long tv_sec
        long tv_usec
