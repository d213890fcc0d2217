"""What a passive observer knows of one end of a connection. Offsets of what it sent count from its SYN, which is 0; those of what reached it from
the peer's. Times are ns; -1 stands for what has not been."""
from libc.stdint cimport int32_t, int64_t, uint32_t

from usnet.wire.observe cimport Segment, seen_options


cdef class End:
    cdef readonly object observer
    cdef readonly str host
    cdef readonly str name
    # What it sent
    cdef readonly int64_t iss           # number of its SYN
    cdef readonly int64_t sent_max
    cdef readonly int64_t fin_at
    cdef bytearray kept                 # of its stream, from offset kept_from on
    cdef int64_t kept_from
    cdef seen_options offers            # in its SYN
    cdef readonly list log              # Sent
    cdef readonly list small            # Sent
    cdef readonly int64_t first_flight  # segments
    cdef readonly int64_t largest_sent  # bytes
    cdef readonly int64_t last_tsval
    cdef readonly int64_t reset_at
    # What it was told of it
    cdef readonly int64_t una
    cdef int64_t acked_at
    cdef int64_t trip                   # the shortest that an ACK of the last segment took
    cdef int64_t right                  # edge of the window that it was offered
    cdef readonly int64_t largest_window
    cdef int64_t pure_acks
    cdef int64_t updates
    cdef readonly int64_t small_updates
    cdef readonly int64_t shrunk        # times that its right edge went back, by less than the unit of its scale
    # What reached it
    cdef readonly int64_t irs           # number of the peer's SYN
    cdef readonly int64_t rcv_nxt
    cdef list ahead                     # (start, end), sorted
    cdef int64_t peer_fin
    cdef seen_options peer_offers
    cdef int64_t arrived                # segments
    cdef readonly int64_t doubled       # data segments of which all had arrived before
    cdef int64_t last_at                # time of the last arrival
    cdef Segment last                   # its numbers alone; its bytes are gone
    cdef list recent                    # Segment: all that arrived then
    cdef readonly bint was_reset        # by a RST with the number that counts (RFC 5961)
    cdef list clipped                   # data that went beyond the window: when, from, to, with FIN
    cdef int64_t asked_at               # when something other than a RST reached it, or left it
    cdef int64_t newest_tsval
    cdef int64_t ts_recent
    cdef int64_t full_segment           # bytes
    # What it answered
    cdef int64_t acked
    cdef int64_t edge                   # of the window that it offered
    cdef int64_t largest_offer
    # ACKs that it owes
    cdef int64_t owed_since
    cdef list owed_full                 # ends of full segments that are not acknowledged
    cdef int64_t full_at
    cdef int64_t owed_now
    cdef str owed_why
    # SACK (observe_sack)
    cdef list unsaid                    # what arrived ahead, and is to be reported by an ACK at that time
    cdef int64_t burst_at               # that time
    cdef int64_t burst                  # arrivals of all segments at it
    cdef bint answered                  # an ACK left at it
    cdef list told                      # what the peer reported of our stream: (start, end), sorted, disjoint
    # ECN (observe_ecn)
    cdef int64_t syn_sent               # AE, CWR and ECE of its SYN, and ACK
    cdef int64_t syn_heard              # of the peer's
    cdef bint slowed                    # something has, since it last sent CWR
    cdef int64_t marked_at              # when data with CE arrived that no CWR has answered
    cdef int64_t cleared_at             # when CWR did
    cdef int64_t head_at
    cdef int64_t head_again             # how often the segment at snd_una was sent again
    cdef int wrong(self, str rule, int64_t t, str text) except -1
    cdef bint marks_exactly(self) except -1
    cdef bint both_stamp(self) noexcept
    cdef bint both_sack(self) noexcept


cdef inline int64_t unwrapped(int64_t near, uint32_t number, int64_t first) noexcept nogil:
    """The offset of a sequence number from `first`, the one that is nearest to the offset `near`."""
    return near + <int32_t><uint32_t>(number - first - near)
